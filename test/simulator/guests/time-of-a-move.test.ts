/** How long moves take, in virtual time: what the estimates of the product are measured against. */
import { describe, expect, test } from "vitest";
import type { LayoutCluster, SimulatedLayout } from "../../../src/simulator";
import type { TaskTraffic } from "../../../src/simulator/state";
import { createRig, type FinishedTask, mebibyte, type Rig, until } from "./harness";

const blockBytes = 4 * mebibyte;
const diskGibibytes = 8;
const blocks = (diskGibibytes * 1024 * mebibyte) / blockBytes;
const diskBytes = blocks * blockBytes;
const linkBytesPerSecond = 50e6;

/** Sites `ams` and `fra`, 400 Mbit/s between them; a datastore stands at `fra`. */
function twoSites(): SimulatedLayout {
  const cluster = (id: string): LayoutCluster => ({
    id,
    era: "9.2",
    nodes: [{ name: `${id}-1` }],
    storages: [
      { storage: "fast", type: "lvmthin", backend: `${id}-nvme`, options: { vgname: "pve", thinpool: "data" } },
      { storage: "vault", type: "pbs", backend: "vault", options: { server: "pbs", datastore: "main", namespace: "all" } },
      { storage: "nas", type: "nfs", backend: "nas", content: ["backup"], options: { server: "nas", export: "/e" } },
    ],
  });
  return {
    clusters: [cluster("ams"), cluster("fra")],
    backends: [
      { id: "ams-nvme", kind: "block", bytesPerSecond: 2e9 },
      { id: "fra-nvme", kind: "block", bytesPerSecond: 2e9 },
      { id: "vault", kind: "pbs", bytesPerSecond: 1e9, site: "fra" },
      { id: "nas", kind: "directory", bytesPerSecond: 1e9, site: "fra" },
    ],
    links: [{ sites: ["ams", "fra"], bytesPerSecond: linkBytesPerSecond }],
  };
}

interface Site {
  rig: Rig;
  elapsedSeconds(work: () => Promise<unknown>): Promise<number>;
}

/** VM 100 runs at `ams`; every block of its disk holds data. */
async function site(): Promise<Site> {
  const rig = createRig({ layout: twoSites(), blockBytes });
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, memory: 64, scsi0: `fast:${diskGibibytes}` });
  rig.write("ams", "ams-1", "fast:vm-100-disk-0", 0, blocks);
  await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
  return {
    rig,
    elapsedSeconds: async (work) => {
      const startedMs = rig.world.clock.nowMs();
      await work();
      return (rig.world.clock.nowMs() - startedMs) / 1000;
    },
  };
}

const good = (task: FinishedTask) => expect(task.exitStatus).toBe("OK");

async function backUp({ rig }: Site, storage = "vault", params: Record<string, unknown> = {}): Promise<string> {
  good(await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage, ...params }));
  const content = (await rig.call("GET", `ams/nodes/ams-1/storage/${storage}/content`)) as { volid: string; ctime: number }[];
  return content.sort((a, b) => b.ctime - a.ctime)[0]!.volid;
}

const shutDown = ({ rig }: Site) => rig.run("POST", "ams/nodes/ams-1/qemu/100/status/shutdown").then(good);

async function restoreAndStart({ rig }: Site, archive: string): Promise<void> {
  good(await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 100, archive, storage: "fast" }));
  good(await rig.run("POST", "fra/nodes/fra-1/qemu/100/status/start"));
}

async function startDuringRestore({ rig }: Site, archive: string): Promise<string> {
  const upid = await rig.begin("POST", "fra/nodes/fra-1/qemu", { vmid: 100, archive, storage: "fast", "live-restore": 1 });
  await until(rig, () => rig.guest("fra", 100)!.running);
  return upid;
}

async function coldDowntimeSeconds(): Promise<number> {
  const cold = await site();
  return cold.elapsedSeconds(async () => {
    await shutDown(cold);
    await restoreAndStart(cold, await backUp(cold));
  });
}

const onePercent = Math.ceil(blocks / 100);

describe("a move over a datastore at the target's site, with 1 % of the disk changed", () => {
  test.each([
    ["and a restore before the start", (warm: Site, archive: string) => restoreAndStart(warm, archive)],
    ["and a live restore", (warm: Site, archive: string) => startDuringRestore(warm, archive)],
  ])("is down for at most a quarter of a cold one's time: warm %s", async (_, bringUp) => {
    const warm = await site();
    await backUp(warm);
    warm.rig.write("ams", "ams-1", "fast:vm-100-disk-0", 0, onePercent, "later");
    const warmSeconds = await warm.elapsedSeconds(async () => {
      await shutDown(warm);
      await bringUp(warm, await backUp(warm));
    });
    expect(warmSeconds / (await coldDowntimeSeconds())).toBeLessThanOrEqual(0.25);
  });

  test("takes as a whole at most 1.15 times what its bytes need on the link", async () => {
    const warm = await site();
    const totalSeconds = await warm.elapsedSeconds(async () => {
      await backUp(warm);
      warm.rig.write("ams", "ams-1", "fast:vm-100-disk-0", 0, onePercent, "later");
      await shutDown(warm);
      await warm.rig.finish(await startDuringRestore(warm, await backUp(warm)));
    });
    const linkSeconds = (diskBytes + onePercent * blockBytes) / linkBytesPerSecond;
    expect(totalSeconds).toBeGreaterThan(linkSeconds);
    expect(totalSeconds / linkSeconds).toBeLessThanOrEqual(1.15);
  });
});

describe("time and bytes of single tasks", () => {
  const lastTraffic = ({ rig }: Site, cluster: string): TaskTraffic =>
    Object.values(rig.cluster(cluster).tasks)
      .filter(({ traffic }) => traffic !== undefined)
      .at(-1)!.traffic!;

  test("a backup to the other site takes its bytes over the link's speed, and counts them", async () => {
    const one = await site();
    const seconds = await one.elapsedSeconds(() => backUp(one));
    expect(seconds).toBeCloseTo(diskBytes / linkBytesPerSecond, 0);
    expect(lastTraffic(one, "ams")).toMatchObject({
      readBytes: diskBytes,
      networkBytes: diskBytes,
      byResource: { "backend:ams-nvme": diskBytes, "link:ams|fra": diskBytes, "backend:vault": diskBytes },
    });
  });

  test("a restore at the store's own site does not use the link", async () => {
    const one = await site();
    const archive = await backUp(one);
    await shutDown(one);
    const seconds = await one.elapsedSeconds(() => restoreAndStart(one, archive));
    expect(seconds).toBeLessThan(diskBytes / 1e9 + 5);
    expect(lastTraffic(one, "fra").byResource).toEqual({ "backend:vault": diskBytes, "lan:fra": diskBytes, "backend:fra-nvme": diskBytes });
  });

  test("bwlimit holds a backup back", async () => {
    const one = await site();
    const seconds = await one.elapsedSeconds(() => backUp(one, "vault", { bwlimit: 10_240 }));
    expect(seconds).toBeCloseTo(diskBytes / (10_240 * 1024), 0);
  });

  test("bwlimit holds a restore from a file back, and one from a datastore not", async () => {
    const one = await site();
    const file = await backUp(one, "nas", { compress: "0" });
    const snapshot = await backUp(one);
    const restore = (vmid: number, archive: string) => () =>
      one.rig.run("POST", "fra/nodes/fra-1/qemu", { vmid, archive, storage: "fast", bwlimit: 102_400 }).then(good);
    expect(await one.elapsedSeconds(restore(201, file))).toBeGreaterThan(diskBytes / (102_400 * 1024));
    expect(await one.elapsedSeconds(restore(202, snapshot))).toBeLessThan(diskBytes / 1e9 + 5);
  });

  test("an interrupted backup counts what it has sent", async () => {
    const one = await site();
    const upid = await one.rig.begin("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "vault" });
    await until(one.rig, () => one.rig.task(upid).log.some((line) => line.includes("started backup task")));
    await one.rig.world.clock.advance(10_000);
    await one.rig.world.tasks.stop(upid);
    expect(lastTraffic(one, "ams").networkBytes).toBeCloseTo(10 * linkBytesPerSecond, -6);
  });
});
