import { existsSync, readFileSync } from "node:fs";

/**
 * Sums up vitest's JSON report over all projects. A file that failed without a failed test (it did not load, or a hook
 * failed) counts as one failed, and so does a run that ended badly without saying where.
 *
 * @param {string} path
 * @param {number} exitCode of vitest
 * @returns {{ passed: number, failed: number }}
 */
export function readTestReport(path, exitCode) {
  if (!existsSync(path)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(path, "utf8"));
  const failedFiles = testResults.filter(({ status, assertionResults }) => {
    return status === "failed" && !assertionResults.some((result) => result.status === "failed");
  });
  const failed = numFailedTests + failedFiles.length;
  return { passed: numPassedTests, failed: failed === 0 && exitCode !== 0 ? 1 : failed };
}
