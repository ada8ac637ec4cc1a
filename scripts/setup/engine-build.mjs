import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { executableName, isExecutable, readEngineVersion } from "./engine-on-path.mjs";
import { buildGoCommand, checkGo } from "./go-build.mjs";
import { SetupError } from "./setup-error.mjs";

/** The two commands an engine consists of, each with the Go module in tools/ that pins what it is built from. */
const commands = [
  {
    name: "pulumi-language-nodejs",
    module: "pulumi-language-nodejs",
    package: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
  },
  { name: "pulumi", module: "pulumi-engine", package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi" },
];

const providerScripts = ["pulumi-resource-pulumi-nodejs", "pulumi-resource-pulumi-nodejs.cmd"];

/**
 * The version that tools/pulumi-engine pins.
 *
 * @param {string} root the repository
 * @returns {string} such as `3.259.0`
 */
export function wantedEngineVersion(root) {
  const path = join(root, "tools", "pulumi-engine", "go.mod");
  const match = /github\.com\/pulumi\/pulumi\/pkg\/v3 v(\d+\.\d+\.\d+)/.exec(readFileSync(path, "utf8"));
  if (!match) throw new SetupError(`${path} does not require github.com/pulumi/pulumi/pkg/v3 at a released version.`);
  return match[1];
}

/**
 * The engine a former build left in the cache.
 *
 * @param {string} root the repository
 * @param {string} cache
 * @returns {import("./engine.mjs").Engine | undefined}
 */
export function findBuiltEngine(root, cache) {
  const version = wantedEngineVersion(root);
  const binDir = join(installFolder(cache, version), "bin");
  const complete =
    commands.every(({ name }) => isExecutable(join(binDir, executableName(name)))) && existsSync(join(binDir, providerScripts[0]));
  if (!complete) return undefined;
  return { pulumi: join(binDir, executableName("pulumi")), binDir, languageHostDir: binDir, source: "build", version };
}

/**
 * Builds engine and language host from their Go modules into the cache; all or nothing.
 *
 * @param {object} options
 * @param {string} options.root the repository
 * @param {string} options.cache
 * @param {string} options.scratch an existing folder beside the cache's own, which the caller removes
 * @param {(line: string) => void} options.log
 * @returns {Promise<import("./engine.mjs").Engine>}
 */
export async function buildEngine({ root, cache, scratch, log }) {
  const version = wantedEngineVersion(root);
  await requireGo(join(root, "tools", "pulumi-engine"));
  log(`Building the Pulumi engine ${version} from its Go modules; some ten minutes on two cores, once.`);
  const folder = join(scratch, "build");
  const binDir = join(folder, "bin");
  mkdirSync(binDir, { recursive: true });
  for (const command of commands) {
    await buildCommand(command, { root, binDir, version, log });
  }
  // The script that starts the provider process belongs beside the engine, which warns when it finds it elsewhere.
  for (const script of providerScripts) cpSync(join(root, "node_modules", "@pulumi", "pulumi", script), join(binDir, script));
  const built = await readEngineVersion(join(binDir, executableName("pulumi")));
  if (built !== version) throw new SetupError(`The engine that was built does not run: \`pulumi version\` says ${built ?? "nothing"}.`);
  const target = installFolder(cache, version);
  rmSync(target, { recursive: true, force: true });
  renameSync(folder, target);
  log(`Built into ${target}.`);
  const engine = findBuiltEngine(root, cache);
  if (!engine) throw new SetupError(`The build left no complete engine in ${target}.`);
  return engine;
}

async function buildCommand({ name, module, package: importPath }, { root, binDir, version, log }) {
  await buildGoCommand({
    name,
    moduleDir: join(root, "tools", module),
    package: importPath,
    ldflags: `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${version}`,
    output: join(binDir, executableName(name)),
    log,
    advice:
      "Where the Go module proxy cannot be reached, install the Pulumi CLI (https://www.pulumi.com/docs/install/) so that `pulumi` is on PATH.",
  });
}

async function requireGo(moduleDir) {
  const { wanted, problem } = await checkGo(moduleDir);
  if (problem === undefined) return;
  throw new SetupError(
    "No Pulumi engine: none on PATH that can be used, the download did not work, and building it is not possible either " +
      `(${problem}).\nInstall either the Pulumi CLI (https://www.pulumi.com/docs/install/) or Go ${wanted} or newer ` +
      "(https://go.dev/dl/) and try again.",
  );
}

function installFolder(cache, version) {
  return join(cache, `pulumi-${version}-${process.platform}-${process.arch}`);
}
