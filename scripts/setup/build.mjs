import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { withLock } from "./lock.mjs";
import { run } from "./processes.mjs";
import { SetupError } from "./setup-error.mjs";

/**
 * Compiles `src` into `dist` unless `dist` was made from the very same files. One process at a time does, and `dist` is
 * never without a file its sources have: another test run may be loading from it.
 *
 * @param {string} root the repository
 * @param {(line: string) => void} log
 * @returns {Promise<boolean>} whether it had to compile
 */
export async function ensureBuild(root, log) {
  const cache = join(root, "node_modules", ".cache", "tsc");
  mkdirSync(cache, { recursive: true });
  return withLock(join(cache, "build.lock"), () => build(realpathSync(root), cache, log), {
    onWait: (holder) => log(`Another run (process ${holder.pid} on ${holder.host}) is compiling; waiting for it …`),
  });
}

async function build(root, cache, log) {
  const stampPath = join(cache, "build-stamp.json");
  // Taken before compiling: a file saved meanwhile is compiled again next time.
  const sources = { root, ...describeSources(root) };
  const previous = readStamp(stampPath);
  const complete = previous?.root === root && isBuilt(root, sources.files);
  if (complete && previous.digest === sources.digest) return false;

  log("Compiling src into dist …");
  // Its incremental record makes tsc skip output that was deleted, or that another checkout with these node_modules has.
  if (!complete) rmSync(join(cache, "build.tsbuildinfo"), { force: true });
  rmSync(stampPath, { force: true });
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { code } = await run(process.execPath, [tsc, "-p", "."], { cwd: root, output: "show" });
  if (code !== 0) throw new SetupError("The sources do not compile; the errors above say where.");
  removeLostOutput(root, sources.files);
  writeFileSync(stampPath, JSON.stringify(sources));
  return true;
}

/** tsc keeps what it once made of sources that are gone. */
function removeLostOutput(root, files) {
  const made = new Set(files.map((file) => outputOf(file)));
  for (const path of listFiles(join(root, "dist"))) {
    const output = relative(root, path)
      .replaceAll("\\", "/")
      .replace(/\.d\.ts$/, ".js");
    if (!made.has(output)) rmSync(path);
  }
}

function describeSources(root) {
  const files = listFiles(join(root, "src"))
    .filter((path) => path.endsWith(".ts"))
    .map((path) => relative(root, path).replaceAll("\\", "/"))
    .sort();
  const digest = createHash("sha256");
  for (const file of [...files, "tsconfig.json", "package-lock.json"]) {
    const { size, mtimeMs } = statSync(join(root, file));
    digest.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return { digest: digest.digest("hex"), files };
}

function isBuilt(root, files) {
  return files.every((file) => file.endsWith(".d.ts") || existsSync(join(root, outputOf(file))));
}

function outputOf(file) {
  return file.replace(/^src\//, "dist/").replace(/\.ts$/, ".js");
}

function readStamp(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

function listFiles(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? listFiles(path) : [path];
  });
}
