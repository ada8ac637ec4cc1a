import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { formatDescription, parseDescription } from "../../src/migration";
import type { EngineReplay } from "../support/engine-replay";
import type { Step } from "../support/replay-model";
import { type SimulatedFederation, startSimulatedFederation, withClient } from "../support/simulated-federation";
import { disk, pool, startStack, vm } from "../support/stack";

const HOME = "worldstream-prod";
const OTHER = "databarn-dr";
const web = vm("web-1", { cores: 1, memory: "1GiB", disks: [{ size: "1GiB" }], networks: [{ network: "lan" }], agent: true });
const program = [pool("production-pool"), web];

/** Changes those keys of the cluster in the file; `undefined` removes one. */
function declareCluster(federation: SimulatedFederation, id: string, keys: Record<string, unknown>): Promise<void> {
  return federation.edit((text) => {
    const document = parseDocument(text);
    const index = (document.toJS() as { clusters: { id: string }[] }).clusters.findIndex((cluster) => cluster.id === id);
    for (const [key, value] of Object.entries(keys))
      if (value === undefined) document.deleteIn(["clusters", index, key]);
      else document.setIn(["clusters", index, key], value);
    return document.toString();
  });
}

/** Of what the guests of a cluster hold. */
async function checksumsOn(federation: SimulatedFederation, cluster: string): Promise<string[]> {
  const disks = await federation.admin<{ vmid: number; blockCount: number; sha256: string; volids: { cluster: string }[] }[]>(
    "GET",
    "/checksums",
  );
  const found = disks
    .filter(({ vmid, blockCount, volids }) => vmid !== 0 && blockCount > 0 && volids.some((volid) => volid.cluster === cluster))
    .map(({ sha256 }) => sha256);
  // The backup holds the same.
  return [...new Set(found)];
}

describe("a VM whose cluster is lost", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;
  /** On the lost cluster. */
  let oldVmid: number;

  beforeAll(async () => {
    federation = await startSimulatedFederation();
    stack = startStack(federation);
    await stack.up(program);
    oldVmid = stack.get("web-1").outputs.vmid as number;
    await federation.admin("POST", `/guests/${HOME}/${oldVmid}/write`, { disk: "scsi0", blocks: 40, seed: "orders" });
  });
  afterAll(async () => {
    await federation?.stop();
  });

  const operations = (steps: Step[]) => Object.fromEntries(steps.map((step) => [`${step.name} ${step.operation}`, step]));
  const guestsOf = (cluster: string) => federation.simulator.world.state.clusters[cluster]!.guests;
  const markOf = (cluster: string, vmid: number) => parseDescription(guestsOf(cluster)[String(vmid)]?.config.description).mark;
  const declare = (id: string, keys: Record<string, unknown>) => declareCluster(federation, id, keys);

  async function requestsTo(id: string, work: () => Promise<unknown>): Promise<number> {
    await federation.admin("DELETE", "/requests");
    await work();
    const { clusters } = await federation.admin<{ clusters: Record<string, { total: number }> }>("GET", "/requests");
    return clusters[id]?.total ?? 0;
  }

  it("is refused without fencing, and without a backup", async () => {
    await declare(HOME, { status: "lost" });
    await expect(stack.up(program)).rejects.toThrow(/web-1 was on worldstream-prod, .*not declared fenced.*fenced: true/s);
    await declare(HOME, { fenced: true });
    await expect(stack.up(program)).rejects.toThrow(/no backup with its mark is found on pbs-worldstream of databarn-dr/);
    expect(Object.keys(guestsOf(OTHER))).toEqual([]);
  });

  it("is refused when its newest backup is older than max_age", async () => {
    await withClient(federation, HOME, async (api) => {
      const { node } = stack.get("web-1").outputs.placement as { node: string };
      const upid = await api.backup.start(node, { vmid: oldVmid, storage: "pbs", mode: "snapshot" });
      await api.tasks.wait(upid!, {});
    });
    await federation.edit((text) => `${text}\nfailover: { max_age: 1h }\n`);
    const archives = Object.values(federation.simulator.world.state.backends).flatMap((backend) => Object.values(backend.volumes ?? {}));
    const [archive] = archives.filter((volume) => volume.archive);
    const madeMs = archive!.createdAtMs;
    archive!.createdAtMs = Date.now() - 3 * 3600 * 1000;
    await expect(stack.preview(program)).rejects.toThrow(/3h old, more than failover\.max_age \(60m\)/);
    archive!.createdAtMs = madeMs;
  });

  it("is shown in the preview with backup, age and target, and restored without a request to the lost cluster", async () => {
    const before = await checksumsOn(federation, HOME);
    expect(before).toHaveLength(1);
    let preview: Record<string, Step> = {};
    const asked = await requestsTo(HOME, async () => {
      preview = operations(await stack.preview(program));
      await stack.up(program);
    });
    expect(asked).toBe(0);
    expect(preview["web-1 replace"]?.inputs?.failover).toMatchObject({
      from: `${HOME} (vm ${oldVmid}), lost and fenced`,
      to: expect.stringMatching(/^databarn-dr\/rtm-\d$/),
      backup: expect.stringMatching(/^pbs-worldstream:backup\/vm\/\d+\/.* in store pbs, /),
      data: expect.stringMatching(/^as of \d{4}-.* old/),
    });
    const { vmid, __at } = stack.get("web-1").outputs as { vmid: number; __at: { cluster: string } };
    expect(__at.cluster).toBe(OTHER);
    expect(guestsOf(OTHER)[String(vmid)]!.running).toBe(true);
    expect(await checksumsOn(federation, OTHER)).toEqual(before);
    expect(markOf(OTHER, vmid)).toMatchObject({ phase: "settled", failover: { from: { cluster: HOME, vmid: oldVmid } } });
    expect(stack.state.resources.filter((resource) => resource.delete)).toEqual([]);
    expect((await stack.preview(program)).every((step) => step.operation === "same")).toBe(true);
  });

  it("refuses to run twice when the cluster is back, until the old copy may be stopped", async () => {
    await declare(HOME, { status: "cordoned", fenced: undefined });
    await expect(stack.preview(program)).rejects.toThrow(/web-1 RUNS TWICE: .*returned: stop-old-copies/s);
    expect(guestsOf(HOME)[String(oldVmid)]!.running).toBe(true);

    await declare(HOME, { returned: "stop-old-copies" });
    const preview = operations(await stack.preview(program));
    expect(preview["web-1 update"]?.inputs?.cleanup).toMatch(/outdated vm \d+ on worldstream-prod is shut down, fenced and kept/);
    await stack.up(program);
    const old = guestsOf(HOME)[String(oldVmid)]!;
    expect(old.running).toBe(false);
    expect(old.config).toMatchObject({ template: "1", onboot: "0" });
    expect(markOf(HOME, oldVmid)).toMatchObject({ phase: "retired", outdatedSince: expect.any(String) });
    expect(guestsOf(OTHER)[String(stack.get("web-1").outputs.vmid)]!.running).toBe(true);
    expect((await stack.preview(program)).every((step) => step.operation === "same")).toBe(true);
  });

  it("keeps the old copy when it is destroyed itself, unless the stack says otherwise", async () => {
    await expect(stack.destroy()).rejects.toThrow(/its old copy, vm \d+ on worldstream-prod, holds what was written after the backup/);
    expect(Object.keys(guestsOf(OTHER))).toHaveLength(1);
    expect(Object.keys(guestsOf(HOME))).toHaveLength(1);
  });
});

describe("a VM that had moved since its newest backup", () => {
  it("is known as the old copy all the same when its cluster is back", async () => {
    const federation = await startSimulatedFederation();
    try {
      const stack = startStack(federation);
      await stack.up(program);
      const { vmid, placement } = stack.get("web-1").outputs as { vmid: number; placement: { node: string } };
      await withClient(federation, HOME, async (api) => {
        await api.tasks.wait((await api.backup.start(placement.node, { vmid, storage: "pbs", mode: "snapshot" }))!, {});
      });
      // To the other cluster and back.
      const { config } = federation.simulator.world.state.clusters[HOME]!.guests[String(vmid)]!;
      const { text, mark } = parseDescription(config.description);
      config.description = formatDescription(text, { ...mark!, generation: 3 });
      await declareCluster(federation, HOME, { status: "lost", fenced: true });
      await stack.up(program);
      await declareCluster(federation, HOME, { status: "cordoned", fenced: undefined });
      await expect(stack.preview(program)).rejects.toThrow(/web-1 RUNS TWICE: .*which is back/s);
    } finally {
      await federation.stop();
    }
  });
});

describe("a disk with a life of its own whose cluster is lost", () => {
  it("is refused without a backup, and restored from one without a request to the lost cluster", async () => {
    const federation = await startSimulatedFederation();
    try {
      const stack = startStack(federation);
      const data = [pool("production-pool"), disk("data", { size: "1GiB" })];
      await stack.up(data);
      const { ownerVmid, placement } = stack.get("data").outputs as { ownerVmid: number; placement: { node: string } };
      const { clusters } = federation.simulator.world.state;
      await declareCluster(federation, HOME, { status: "lost", fenced: true });
      await expect(stack.up(data)).rejects.toThrow(/Disk data was on worldstream-prod, .*no backup with its mark is found/s);
      expect(Object.keys(clusters[OTHER]!.guests)).toEqual([]);

      await federation.admin("POST", `/guests/${HOME}/${ownerVmid}/write`, { disk: "scsi0", blocks: 40, seed: "orders", force: true });
      const before = await checksumsOn(federation, HOME);
      expect(before).toHaveLength(1);
      await withClient(federation, HOME, async (api) => {
        // As the pool's job does: the owner is a template, and stands still.
        await api.tasks.wait((await api.backup.start(placement.node, { vmid: ownerVmid, storage: "pbs", mode: "snapshot" }))!, {});
      });
      await federation.admin("DELETE", "/requests");
      await stack.up(data);
      const requests = await federation.admin<{ clusters: Record<string, { total: number }> }>("GET", "/requests");
      expect(requests.clusters[HOME]?.total ?? 0).toBe(0);
      const { __at, ownerVmid: restored } = stack.get("data").outputs as { __at: { cluster: string }; ownerVmid: number };
      expect(__at.cluster).toBe(OTHER);
      const owner = clusters[OTHER]!.guests[String(restored)]!;
      expect(await checksumsOn(federation, OTHER)).toEqual(before);
      expect(owner.config).toMatchObject({ template: "1", protection: "1" });
      expect(parseDescription(owner.config.description).mark).toMatchObject({
        phase: "settled",
        kind: "disk",
        failover: { from: { cluster: HOME, vmid: ownerVmid } },
      });
      expect((await stack.preview(data)).every((step) => step.operation === "same")).toBe(true);
    } finally {
      await federation.stop();
    }
  });
});
