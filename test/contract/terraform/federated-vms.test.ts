/**
 * The CDKTF constructs with Terraform and the bpg provider, against simulated clusters: what is synthesized is valid, can be
 * applied, is found again without a lock file, and an acknowledged move is destroy and create. Needs `terraform` and the
 * built provider; see docs/simulator.md.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setClusterStatus } from "../../../src/cli/simulated-config";
import { loadFederation } from "../../../src/config";
import type { FederatedVmsProps } from "../../../src/constructs";
import { createClusterClients } from "../../../src/inventory";
import { synthesize, VMS } from "../../constructs/program";
import { type SimulatedFederation, startSimulatedFederation } from "../../support/simulated-federation";
import { missing, terraform, useMirror } from "./terraform";

describe.skipIf(missing !== undefined)("FederatedVms with Terraform", () => {
  let simulated: SimulatedFederation;
  beforeAll(async () => {
    simulated = await startSimulatedFederation({ timeScale: 500 });
    const { federation } = await loadFederation(simulated.file);
    const clients = createClusterClients({ environment: simulated.env, readFile: () => Promise.reject(), baseDir: simulated.directory });
    for (const cluster of federation.clusters) await (await clients.get(cluster)).pools.create("production-pool", "");
    await clients.close();
    await useMirror(simulated.directory);
  });
  afterAll(() => simulated.stop());

  const outdir = () => join(simulated.directory, "cdktf.out");
  const lockFile = () => join(simulated.directory, "federation.lock.json");
  const synth = (props: Partial<FederatedVmsProps> = {}) =>
    synthesize({ file: simulated.file, environment: simulated.env }, outdir(), {
      insecureClusters: ["worldstream-prod", "databarn-dr", "hetzner-edge"],
      ...props,
    });

  const inStack = (...args: string[]) =>
    terraform(
      {
        home: simulated.directory,
        cwd: join(outdir(), "stacks", "prod"),
        variables: {
          TF_VAR_worldstream_prod_token_secret: simulated.env.WORLDSTREAM_TOKEN,
          TF_VAR_databarn_dr_token_secret: simulated.env.DATABARN_TOKEN,
          TF_VAR_hetzner_edge_token_secret: simulated.env.HETZNER_TOKEN,
        },
      },
      ...args,
    );

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
    await inStack("init");
    expect(await inStack("validate")).toContain("The configuration is valid.");
    expect(await inStack("plan")).toContain("Plan: 3 to add, 0 to change, 0 to destroy.");
    await inStack("apply", "-auto-approve");
    expect(namesOn("worldstream-prod")).toEqual(["db-1", "web-1", "web-2"]);

    // Without the lock file the tags say where they are.
    await rm(lockFile());
    expect(await synth()).toBe(json);
    expect(await inStack("plan", "-detailed-exitcode")).toContain("No changes.");

    await simulated.edit((text) => setClusterStatus(text, "worldstream-prod", "draining"));
    await expect(synth()).rejects.toMatchObject({ code: "MOVE" });
    await synth({ allowMoves: Object.keys(VMS) });
    // Not applied yet: the lock file is ahead of the clusters, and nobody has acknowledged this time.
    await expect(synth()).rejects.toThrow("but the lock file says databarn-dr");
    await synth({ allowMoves: Object.keys(VMS) });
    expect(await inStack("plan")).toContain("Plan: 3 to add, 0 to change, 3 to destroy.");
    await inStack("apply", "-auto-approve");
    expect(namesOn("worldstream-prod")).toEqual([]);
    expect(namesOn("databarn-dr")).toEqual(["db-1", "web-1", "web-2"]);
  });
});
