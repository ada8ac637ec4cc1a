#!/usr/bin/env node
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runChecks } from "./checks/checks.mjs";
import { readTestReport } from "./checks/test-report.mjs";
import { ensureCheckout, ensureEngine, findKubernetes, requireNode, run, SetupError } from "./setup/index.mjs";

// The whole of `npm test`: set-up, lint, layers, types, then every vitest project. The last line is `N passed, N failed`;
// a check that fails, and a test file that does not load, count as one failed. Arguments go to vitest.

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");
const log = (line) => console.error(line);

async function main() {
  requireNode();
  await ensureCheckout(root, log);
  await ensureEngine(root, log);
  const failedChecks = await runChecks(root, log);
  const tests = await runTests([...process.argv.slice(2), ...leaveOut()]);
  for (const check of failedChecks) log(`Failed: ${check}`);
  return { passed: tests.passed, failed: tests.failed + failedChecks.length };
}

/** Building the Kubernetes control plane takes longer than all other tests together: it is not done by the way. */
function leaveOut() {
  if (findKubernetes(root)) return [];
  log(
    "Left out: the tests against a real Kubernetes control plane, which is not built on this machine. " +
      '"npm run test:kubernetes" builds it, once, and runs them; from then on they are part of this run.',
  );
  return ["--project=!kubernetes"];
}

async function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), "proxmox-federation-tests-"));
  try {
    const report = join(folder, "report.json");
    const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const { code } = await run(process.execPath, [vitest, "run", ...reporters, ...args], { cwd: root, output: "show" });
    return readTestReport(report, code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

let counts;
try {
  counts = await main();
} catch (error) {
  log(error instanceof SetupError ? `\nSet-up failed: ${error.message}` : error);
  counts = { passed: 0, failed: 1 };
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;
