import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
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

test("of two runs at once one compiles; the other waits and finds its output", async () => {
  const lines: string[] = [];
  const compiled = await Promise.all([1, 2].map(() => ensureBuild(root, (line) => lines.push(line))));
  expect(compiled.sort()).toEqual([false, true]);
  expect(lines.filter((line) => line.startsWith("Compiling"))).toHaveLength(1);
  expect(lines.filter((line) => line.includes("waiting for it"))).toHaveLength(1);
});

test("while it compiles, output of sources that stay is never missing", async () => {
  await ensureBuild(root, silent);
  const missing: string[] = [];
  rmSync(join(root, "src/two.ts"));
  let watching = true;
  const watcher = (async () => {
    while (watching) {
      if (!existsSync(built("one"))) missing.push("one");
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await ensureBuild(root, silent);
  watching = false;
  await watcher;
  expect(missing).toEqual([]);
  expect(existsSync(built("two"))).toBe(false);
});

test("node_modules that two checkouts share do not pass one's output off as the other's", async () => {
  await ensureBuild(root, silent);
  const other = mkdtempSync(join(tmpdir(), "build-other-"));
  try {
    cpSync(join(root, "src"), join(other, "src"), { recursive: true, preserveTimestamps: true });
    for (const file of ["tsconfig.json", "package-lock.json"]) cpSync(join(root, file), join(other, file), { preserveTimestamps: true });
    symlinkSync(join(root, "node_modules"), join(other, "node_modules"));
    mkdirSync(join(other, "dist"));
    for (const name of ["one", "two"]) writeFileSync(join(other, "dist", `${name}.js`), "stale");
    expect(await ensureBuild(other, silent)).toBe(true);
    expect(readFileSync(join(other, "dist", "one.js"), "utf8")).not.toBe("stale");
  } finally {
    rmSync(other, { recursive: true, force: true });
  }
});
