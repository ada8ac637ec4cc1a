import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { run } from "./processes.mjs";
import { SetupError } from "./setup-error.mjs";

/**
 * Compiles `src` into `dist` unless `dist` was made from the very same files.
 *
 * @param {string} root the repository
 * @param {(line: string) => void} log
 * @returns {Promise<boolean>} whether it had to compile
 */
export async function ensureBuild(root, log) {
  const cache = join(root, "node_modules", ".cache", "tsc");
  const stampPath = join(cache, "build-stamp.json");
  // Taken before compiling: a file saved meanwhile is compiled again next time.
  const sources = describeSources(root);
  const previous = readStamp(stampPath);
  if (previous && previous.digest === sources.digest && isBuilt(root, sources.files)) return false;

  log("Compiling src into dist …");
  const lost = previous?.files.some((file) => !sources.files.includes(file));
  if (!previous || lost || !isBuilt(root, sources.files)) {
    // tsc keeps the output of deleted sources, and its incremental record makes it skip output that was deleted.
    rmSync(join(root, "dist"), { recursive: true, force: true });
    rmSync(join(cache, "build.tsbuildinfo"), { force: true });
  }
  rmSync(stampPath, { force: true });
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { code } = await run(process.execPath, [tsc, "-p", "."], { cwd: root, output: "show" });
  if (code !== 0) throw new SetupError("The sources do not compile; the errors above say where.");
  mkdirSync(dirname(stampPath), { recursive: true });
  writeFileSync(stampPath, JSON.stringify(sources));
  return true;
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
  return files.every((file) => file.endsWith(".d.ts") || existsSync(join(root, file.replace(/^src\//, "dist/").replace(/\.ts$/, ".js"))));
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
