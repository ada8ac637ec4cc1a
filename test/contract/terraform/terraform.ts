/** Terraform with the bpg provider from a mirror on disk: nothing is downloaded. See docs/simulator.md. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
export const PROVIDER_VERSION = "0.80.0";
const mirror = process.env.BPG_PROVIDER_MIRROR ?? join(homedir(), ".cache", "proxmox-federation", "terraform", "mirror");
const provider = join(mirror, "registry.terraform.io", "bpg", "proxmox", PROVIDER_VERSION);

/** Why nothing can be run here; it is printed, too. */
export const missing = !existsSync(provider)
  ? `the provider is not built: nothing at ${provider} (BPG_PROVIDER_MIRROR names another mirror)`
  : spawnSync("terraform", ["version"]).error
    ? "there is no terraform on PATH"
    : undefined;
if (missing !== undefined) console.log(`skipped: ${missing}`);

/** Prepares a folder to be Terraform's home. */
export async function useMirror(home: string): Promise<void> {
  const installation = `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`;
  await writeFile(join(home, "mirror.tfrc"), installation);
}

/**
 * Runs terraform; throws with its output.
 *
 * @param home a folder that `useMirror` has prepared
 * @param cwd folder of the configuration; default: `home`
 * @param variables further environment
 */
export async function terraform(
  { home, cwd = home, variables = {} }: { home: string; cwd?: string; variables?: Record<string, string | undefined> },
  ...args: string[]
): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    TF_CLI_CONFIG_FILE: join(home, "mirror.tfrc"),
    TF_IN_AUTOMATION: "1",
    CHECKPOINT_DISABLE: "1",
    ...(process.env.TF_LOG ? { TF_LOG: process.env.TF_LOG, TF_LOG_PATH: process.env.TF_LOG_PATH } : {}),
    ...variables,
  };
  try {
    return (await run("terraform", [...args, "-no-color"], { cwd, env, maxBuffer: 64 * 1024 * 1024 })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`terraform ${args.join(" ")} failed\n${stdout ?? ""}\n${stderr ?? String(error)}`);
  }
}
