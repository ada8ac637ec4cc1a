import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureBuild } from "../../scripts/setup/build.mjs";

const repository = join(__dirname, "..", "..");
const silent = () => {};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "build-"));
  mkdirSync(join(root, "src"));
  mkdirSync(join(root, "node_modules"));
  symlinkSync(join(repository, "node_modules", "typescript"), join(root, "node_modules", "typescript"));
  const compilerOptions = {
    rootDir: "src",
    outDir: "dist",
    module: "node16",
    types: [],
    lib: ["es5"],
    skipLibCheck: true,
    incremental: true,
  };
  const tsBuildInfoFile = "node_modules/.cache/tsc/build.tsbuildinfo";
  writeFileSync(
    join(root, "tsconfig.json"),
    JSON.stringify({ compilerOptions: { ...compilerOptions, tsBuildInfoFile }, include: ["src"] }),
  );
  writeFileSync(join(root, "package-lock.json"), "{}");
  writeSource("one", "export const one = 1;");
  writeSource("two", "export const two = 2;");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function writeSource(name: string, text: string): void {
  writeFileSync(join(root, "src", `${name}.ts`), text);
}

const built = (name: string) => join(root, "dist", `${name}.js`);

test("compiles when sources changed, appeared or went, or the output is gone, and else does not", async () => {
  expect(await ensureBuild(root, silent)).toBe(true);
  expect(existsSync(built("one"))).toBe(true);
  expect(await ensureBuild(root, silent)).toBe(false);

  writeSource("one", "export const one = 'another';");
  expect(await ensureBuild(root, silent)).toBe(true);
  expect(readFileSync(built("one"), "utf8")).toContain("another");

  // An older file, as a checkout of an earlier version may bring, is a change too.
  writeSource("one", "export const one = 'ANOTHER';");
  utimesSync(join(root, "src/one.ts"), 1, 1);
  expect(await ensureBuild(root, silent)).toBe(true);
  expect(readFileSync(built("one"), "utf8")).toContain("ANOTHER");

  rmSync(join(root, "src/two.ts"));
  expect(await ensureBuild(root, silent)).toBe(true);
  expect(existsSync(built("two"))).toBe(false);

  rmSync(join(root, "dist"), { recursive: true });
  expect(await ensureBuild(root, silent)).toBe(true);
  expect(existsSync(built("one"))).toBe(true);
}, 60_000);

test("sources that do not compile are an error, and are compiled again next time", async () => {
  writeSource("one", "export const one: string = 1;");
  await expect(ensureBuild(root, silent)).rejects.toThrow(/do not compile/);
  await expect(ensureBuild(root, silent)).rejects.toThrow(/do not compile/);
});
