/**
 * The CDKTF constructs with Terraform and the bpg provider, against simulated clusters: what is synthesized is valid, can be
 * applied, is found again without a lock file, and an acknowledged move is destroy and create. Needs `terraform` and the
 * built provider; see docs/simulator.md.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setClusterStatus } from "../../../src/cli/simulated-config";
import { loadFederation } from "../../../src/config";
import type { FederatedVmsProps } from "../../../src/constructs";
import { createClusterClients } from "../../../src/inventory";
import { synthesize, VMS } from "../../constructs/program";
import { type SimulatedFederation, startSimulatedFederation } from "../../support/simulated-federation";

const run = promisify(execFile);
const providerVersion = "0.80.0";
const mirror = process.env.BPG_PROVIDER_MIRROR ?? join(homedir(), ".cache", "proxmox-federation", "terraform", "mirror");
const provider = join(mirror, "registry.terraform.io", "bpg", "proxmox", providerVersion);
const missing = !existsSync(provider)
  ? `the provider is not built: nothing at ${provider} (BPG_PROVIDER_MIRROR names another mirror)`
  : spawnSync("terraform", ["version"]).error
    ? "there is no terraform on PATH"
    : undefined;
if (missing !== undefined) console.log(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)("FederatedVms with Terraform", () => {
  let simulated: SimulatedFederation;
  beforeAll(async () => {
    simulated = await startSimulatedFederation({ timeScale: 500 });
    const { federation } = await loadFederation(simulated.file);
    const clients = createClusterClients({ environment: simulated.env, readFile: () => Promise.reject(), baseDir: simulated.directory });
    for (const cluster of federation.clusters) await (await clients.get(cluster)).pools.create("production-pool", "");
    await clients.close();
    await writeFile(
      join(simulated.directory, "mirror.tfrc"),
      `provider_installation {\n  filesystem_mirror {\n    path = ${JSON.stringify(mirror)}\n  }\n}\n`,
    );
  });
  afterAll(() => simulated.stop());

  const outdir = () => join(simulated.directory, "cdktf.out");
  const lockFile = () => join(simulated.directory, "federation.lock.json");
  const synth = (props: Partial<FederatedVmsProps> = {}) =>
    synthesize({ file: simulated.file, environment: simulated.env }, outdir(), {
      insecureClusters: ["worldstream-prod", "databarn-dr", "hetzner-edge"],
      ...props,
    });

  async function terraform(...args: string[]): Promise<string> {
    const env = {
      PATH: process.env.PATH,
      HOME: simulated.directory,
      TF_CLI_CONFIG_FILE: join(simulated.directory, "mirror.tfrc"),
      TF_IN_AUTOMATION: "1",
      CHECKPOINT_DISABLE: "1",
      TF_VAR_worldstream_prod_token_secret: simulated.env.WORLDSTREAM_TOKEN,
      TF_VAR_databarn_dr_token_secret: simulated.env.DATABARN_TOKEN,
      TF_VAR_hetzner_edge_token_secret: simulated.env.HETZNER_TOKEN,
    };
    try {
      const options = { cwd: join(outdir(), "stacks", "prod"), env, maxBuffer: 64 * 1024 * 1024 };
      return (await run("terraform", [...args, "-no-color"], options)).stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string };
      throw new Error(`terraform ${args.join(" ")} failed\n${stdout ?? ""}\n${stderr ?? String(error)}`);
    }
  }

  const namesOn = (cluster: string) =>
    Object.values(simulated.simulator.world.state.clusters[cluster]!.guests)
      .map(({ config }) => config.name)
      .sort();

  test("applies, keeps, finds again and moves by destroy and create", async () => {
    const json = await synth();
    for (const name of ["WORLDSTREAM_TOKEN", "DATABARN_TOKEN", "HETZNER_TOKEN"]) {
      expect(simulated.env[name]).toMatch(/\S{8}/);
      expect(json).not.toContain(simulated.env[name]);
    }
    await terraform("init");
    expect(await terraform("validate")).toContain("The configuration is valid.");
    expect(await terraform("plan")).toContain("Plan: 3 to add, 0 to change, 0 to destroy.");
    await terraform("apply", "-auto-approve");
    expect(namesOn("worldstream-prod")).toEqual(["db-1", "web-1", "web-2"]);

    // Without the lock file the tags say where they are.
    await rm(lockFile());
    expect(await synth()).toBe(json);
    expect(await terraform("plan", "-detailed-exitcode")).toContain("No changes.");

    await simulated.edit((text) => setClusterStatus(text, "worldstream-prod", "draining"));
    await expect(synth()).rejects.toMatchObject({ code: "MOVE" });
    await synth({ allowMoves: Object.keys(VMS) });
    // Not applied yet: the lock file is ahead of the clusters, and nobody has acknowledged this time.
    await expect(synth()).rejects.toThrow("but the lock file says databarn-dr");
    await synth({ allowMoves: Object.keys(VMS) });
    expect(await terraform("plan")).toContain("Plan: 3 to add, 0 to change, 3 to destroy.");
    await terraform("apply", "-auto-approve");
    expect(namesOn("worldstream-prod")).toEqual([]);
    expect(namesOn("databarn-dr")).toEqual(["db-1", "web-1", "web-2"]);
  });
});
