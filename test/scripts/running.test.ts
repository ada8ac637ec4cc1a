import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readTestReport } from "../../scripts/checks/test-report.mjs";
import { run } from "../../scripts/setup/processes.mjs";
import { createProgress } from "../../scripts/setup/progress.mjs";
import { isRunning } from "../support/process-tree";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "running-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("run", () => {
  test("gives exit code and output, and shows lines of stderr as they come", async () => {
    const seen: string[] = [];
    const script = `console.log("out"); console.error("one\\ntwo"); process.exit(3)`;
    const result = await run(process.execPath, ["-e", script], { onStderrLine: (line) => seen.push(line) });
    expect(result).toEqual({ code: 3, stdout: "out\n", stderr: "one\ntwo\n", timedOut: false });
    expect(seen).toEqual(["one", "two"]);
  });

  test("a command that does not exist has code 127", async () => {
    expect(await run(join(folder, "absent"), [])).toMatchObject({ code: 127, stderr: expect.stringContaining("ENOENT") });
  });

  test("a time limit ends the command and what it started", async () => {
    const script = `console.log(require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]).pid); setInterval(() => {}, 1000)`;
    const result = await run(process.execPath, ["-e", script], { timeoutMs: 3_000 });
    expect(result).toMatchObject({ code: 128, timedOut: true });
    const grandchild = Number(result.stdout);
    expect(grandchild).toBeGreaterThan(1);
    await expect.poll(() => isRunning(grandchild), { timeout: 10_000 }).toBe(false);
  });
});

describe("progress", () => {
  function show(total: number, stream: { isTTY?: boolean; columns?: number }): string[] {
    const written: string[] = [];
    const write = (text: string) => written.push(text);
    const progress = createProgress((done, all) => `compiled ${done} of ${all} packages`, total, { ...stream, write });
    for (let i = 0; i < total; i++) progress.advance();
    progress.end();
    return written;
  }

  test("is a plain line for each tenth where there is no terminal", () => {
    const lines = show(200, {});
    expect(lines).toHaveLength(11);
    expect(lines.at(0)).toBe("compiled 1 of 200 packages\n");
    expect(lines.at(-1)).toBe("compiled 200 of 200 packages\n");
  });

  test("rewrites one line, cut to its width, on a terminal", () => {
    expect(show(2, { isTTY: true, columns: 12 })).toEqual(["\r\x1b[Kcompiled 1 ", "\r\x1b[Kcompiled 2 ", "\n"]);
  });
});

describe("the sum over vitest's report", () => {
  function read(report: unknown, exitCode: number) {
    const path = join(folder, "report.json");
    writeFileSync(path, JSON.stringify(report));
    return readTestReport(path, exitCode);
  }
  const file = (status: string, ...tests: string[]) => ({ status, assertionResults: tests.map((each) => ({ status: each })) });

  test.each([
    ["all passed", 5, 0, [file("passed", "passed")], 0, { passed: 5, failed: 0 }],
    ["failed tests", 5, 2, [file("failed", "failed", "failed")], 1, { passed: 5, failed: 2 }],
    ["a file that did not load", 5, 0, [file("failed"), file("passed", "passed")], 1, { passed: 5, failed: 1 }],
    ["a failed hook", 5, 1, [file("failed", "skipped"), file("failed", "failed")], 1, { passed: 5, failed: 2 }],
    ["an error outside of tests", 5, 0, [file("passed", "passed")], 1, { passed: 5, failed: 1 }],
  ])("%s", (_name, numPassedTests, numFailedTests, testResults, exitCode, expected) => {
    expect(read({ numPassedTests, numFailedTests, testResults }, exitCode)).toEqual(expected);
  });

  test("a run that left no report has failed", () => {
    expect(readTestReport(join(folder, "absent.json"), 1)).toEqual({ passed: 0, failed: 1 });
  });
});
