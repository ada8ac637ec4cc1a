import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";

/**
 * The environment in which `pulumi` runs a project without touching the user's own Pulumi home, login or stacks: state
 * and everything else the CLI keeps goes below `stateDir`.
 *
 * @param {object} options
 * @param {import("./engine.mjs").Engine} options.engine
 * @param {string} options.workDir a folder below which `@pulumi/pulumi` is installed, usually that of Pulumi.yaml
 * @param {string} options.stateDir is created
 * @param {string} [options.passphrase] encrypts the secrets in the state; default: a constant, for throw-away stacks
 * @param {Record<string, string | undefined>} [options.env] what to start from; default: this process's own
 * @returns {Record<string, string>}
 */
export function pulumiEnvironment({ engine, workDir, stateDir, passphrase = "throw-away", env = process.env }) {
  const home = join(stateDir, "pulumi-home");
  const stacks = join(stateDir, "stacks");
  for (const directory of [home, stacks]) mkdirSync(directory, { recursive: true });
  // The engine starts the provider process with a script it looks for on PATH, and that script starts `node`. The official
  // CLI and our build have the script beside them; the SDK has it too.
  const pluginDir = dirname(createRequire(join(workDir, "package.json")).resolve("@pulumi/pulumi/package.json"));
  const path = [engine.binDir, engine.languageHostDir, pluginDir, dirname(process.execPath), env.PATH ?? ""];
  return {
    ...withoutPulumiSettings(env),
    PATH: [...new Set(path)].join(delimiter),
    PULUMI_HOME: home,
    PULUMI_BACKEND_URL: `file://${stacks}`,
    PULUMI_CONFIG_PASSPHRASE: passphrase,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK: "true",
  };
}

/** A user's access token, stack or parallelism must not leak into our runs. */
function withoutPulumiSettings(env) {
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => value !== undefined && !name.startsWith("PULUMI_")));
}
