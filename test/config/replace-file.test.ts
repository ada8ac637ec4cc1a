import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { replaceFile } from "../../src/config";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "replace-"));
  file = join(folder, "lock.json");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("makes a file that is not there, and leaves nothing beside it", async () => {
  await replaceFile(file, "one\n");
  expect(readFileSync(file, "utf8")).toBe("one\n");
  expect(readdirSync(folder)).toEqual(["lock.json"]);
});

test.runIf(process.platform !== "win32")("keeps the file's mode unless it is told one", async () => {
  writeFileSync(file, "old");
  chmodSync(file, 0o664);
  await replaceFile(file, "new");
  expect([readFileSync(file, "utf8"), modeOf(file)]).toEqual(["new", 0o664]);
  await replaceFile(file, "secret", { mode: 0o600 });
  expect([readFileSync(file, "utf8"), modeOf(file)]).toEqual(["secret", 0o600]);
});

test("writers at once do not mix: the file is one of theirs, whole", async () => {
  const texts = ["a", "b", "c", "d"].map((letter) => letter.repeat(100_000));
  await Promise.all(texts.map((text) => replaceFile(file, text)));
  expect(texts).toContain(readFileSync(file, "utf8"));
  expect(readdirSync(folder)).toEqual(["lock.json"]);
});

test("a failure is told and leaves no draft", async () => {
  mkdirSync(join(folder, "lock.json", "full"), { recursive: true });
  await expect(replaceFile(file, "text")).rejects.toThrow();
  expect(readdirSync(folder)).toEqual(["lock.json"]);
  await expect(replaceFile(join(folder, "nowhere", "lock.json"), "text")).rejects.toThrow(/ENOENT/);
});
