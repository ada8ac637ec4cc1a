import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./processes.mjs";
import { createProgress } from "./progress.mjs";
import { SetupError } from "./setup-error.mjs";

/**
 * Compiles one command of a Go module that is kept in tools/, and shows how far it is.
 *
 * @param {object} options
 * @param {string} options.name what it is called in the progress
 * @param {string} options.moduleDir folder with go.mod and go.sum, which are not changed
 * @param {string} options.package import path, or `.`
 * @param {string} options.ldflags
 * @param {string} options.output file to write
 * @param {(line: string) => void} options.log
 * @param {string} options.advice what to do where it cannot be built, as a sentence
 */
export async function buildGoCommand({ name, moduleDir, package: importPath, ldflags, output, log, advice }) {
  const flags = ["-mod=readonly", "-trimpath"];
  const options = { cwd: moduleDir, env: buildEnvironment(), name, advice };
  log(`${name}: fetching modules …`);
  // Only the packages without a cached object file get compiled, and only they are reported by `go build -v`.
  const stale = await go(["list", ...flags, "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", importPath], options);
  const total = stale.stdout.split("\n").filter(Boolean).length;
  const progress = createProgress((done) => `${name}: compiled ${done} of ${total} packages`, Math.max(total, 1));
  try {
    await go(["build", "-v", ...flags, "-ldflags", ldflags, "-o", output, importPath], {
      ...options,
      onStderrLine: (line) => {
        if (/^[\w.-]+(\/[\w.~-]+)*$/.test(line)) progress.advance();
      },
    });
  } finally {
    progress.end();
  }
}

/**
 * Whether a module can be built here. `go` reads the module's own demand and, if its settings allow, fetches a newer
 * toolchain for it.
 *
 * @param {string} moduleDir
 * @returns {Promise<{ wanted: string, problem?: string }>} the Go version the module asks for, and why it cannot be had
 */
export async function checkGo(moduleDir) {
  const wanted = /^go (\S+)$/m.exec(readFileSync(join(moduleDir, "go.mod"), "utf8"))?.[1] ?? "";
  const { code, stdout, stderr } = await run("go", ["env", "GOVERSION"], { cwd: moduleDir, env: buildEnvironment() });
  if (code === 0 && stdout.startsWith("go")) return { wanted };
  return { wanted, problem: code === 127 ? "no `go` was found on PATH" : stderr.trim() };
}

async function go(args, { name, advice, ...options }) {
  const result = await run("go", args, options);
  if (result.code === 0) return result;
  const tail = result.stderr.trim().split("\n").slice(-15).join("\n");
  throw new SetupError(`go ${args[0]} failed while ${name} was built:\n${tail}\n${advice}`);
}

function buildEnvironment() {
  // A user's flags or workspace would change what is built. Without cgo the result needs no C compiler and runs on any
  // Linux; on macOS the keychain packages need cgo.
  const env = { ...process.env, GOFLAGS: "", GOWORK: "off" };
  if (process.platform === "linux") env.CGO_ENABLED = "0";
  return env;
}
