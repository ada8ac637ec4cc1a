import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadFederation } from "../../src/config";
import { Federation } from "../../src/constructs";
import { terraformTag } from "../../src/constructs/identity";
import { createClusterClients } from "../../src/inventory";
import { EMPTY_LOCK, program } from "../constructs/program";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";

const TAG = terraformTag("acme", "prod/web-1");

let simulated: SimulatedFederation;
beforeEach(async () => {
  simulated = await startSimulatedFederation();
});
afterEach(() => simulated.stop());

async function createGuest(clusterId: string, node: string, vmid: number, storage: string): Promise<void> {
  const { federation } = await loadFederation(simulated.file);
  const clients = createClusterClients({
    environment: simulated.env,
    readFile: (name) => readFile(name, "utf8"),
    baseDir: simulated.directory,
  });
  const api = await clients.get(federation.clusters.find(({ id }) => id === clusterId)!);
  const shape = { vmid, name: "web-1", cores: 2, memory: 4096, scsi0: `${storage}:16`, tags: `${TAG};web` };
  await api.tasks.wait(await api.qemu.create(node, shape));
  await clients.close();
}

const writeLock = (vms: Record<string, unknown>) =>
  writeFile(join(simulated.directory, "federation.lock.json"), JSON.stringify({ ...JSON.parse(EMPTY_LOCK), vms }));
const load = () => Federation.load({ file: simulated.file, environment: simulated.env });
const placements = async () => program(await load(), simulated.directory).vms.placements;
/** Nothing listens where the first cluster of the file was. */
const cutOff = () =>
  simulated.edit((text) => {
    const end = text.indexOf("id: databarn-dr");
    return text.slice(0, end).replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:1") + text.slice(end);
  });

describe("Federation.load", () => {
  it("finds a VM by its tag where there is no lock file", async () => {
    await createGuest("databarn-dr", "rtm-2", 400, "ssd");
    expect(await placements()).toMatchObject({ "web-1": "databarn-dr/rtm-2" });
  });

  it("follows a VM that HA has moved inside its cluster", async () => {
    await writeLock({ "prod/web-1": { cluster: "worldstream-prod", node: "ams-1", storages: ["nvme"] } });
    await createGuest("worldstream-prod", "ams-3", 400, "nvme");
    expect(await placements()).toMatchObject({ "web-1": "worldstream-prod/ams-3" });
  });

  it("refuses a VM that is on another cluster than the lock file says", async () => {
    await writeLock({ "prod/web-1": { cluster: "worldstream-prod", node: "ams-1", storages: ["nvme"] } });
    await createGuest("databarn-dr", "rtm-1", 400, "ssd");
    await expect(placements()).rejects.toMatchObject({
      code: "MOVE",
      message: expect.stringMatching(/^web-1 is on cluster databarn-dr, but the lock file says worldstream-prod\..*terraform state rm/),
    });
  });

  it("does not guess which of two guests with its tag a VM is, and lets the lock file say it", async () => {
    await createGuest("worldstream-prod", "ams-3", 400, "nvme");
    await createGuest("databarn-dr", "rtm-1", 401, "ssd");
    await expect(placements()).rejects.toThrow(/web-1: guests on .* carry its tag/);
    await writeLock({ "prod/web-1": { cluster: "databarn-dr", node: "rtm-1", storages: ["ssd"] } });
    expect(await placements()).toMatchObject({ "web-1": "databarn-dr/rtm-1" });
  });

  it("plans without a cluster that does not answer only with a lock file", async () => {
    const locked = { "prod/web-1": { cluster: "worldstream-prod", node: "ams-1", storages: ["nvme"] } };
    await writeLock(locked);
    await cutOff();
    expect(await placements()).toMatchObject({ "web-1": "worldstream-prod/ams-1" });
    await rm(join(simulated.directory, "federation.lock.json"));
    await expect(load()).rejects.toMatchObject({ code: "UNSEEN", message: expect.stringContaining("worldstream-prod") });
  });
});
