import { expect, test } from "vitest";
import { smallLayout } from "../../src/simulator";
import { startReplication } from "../../src/simulator/replication";
import { diskChecksum } from "../../src/simulator/volumes";
import { createRig, mebibyte, type Rig } from "./guests/harness";

const volid = "tank:vm-100-disk-0";

/** Two nodes with a ZFS pool each, and a guest with 40 MiB written, replicated from `ams-1` to `ams-2`. */
async function replicatedRig(): Promise<{ rig: Rig; stop: () => void }> {
  const layout = smallLayout();
  const ams = layout.clusters[0]!;
  ams.nodes.push({ name: "ams-3" });
  const backend = Object.fromEntries(ams.nodes.map(({ name }) => [name, `${name}-tank`]));
  ams.storages.push({ storage: "tank", type: "zfspool", backend, options: { pool: "tank" } });
  for (const id of Object.values(backend)) layout.backends.push({ id, kind: "block", bytesPerSecond: 100 * mebibyte });
  const rig = createRig({ layout });
  const stop = startReplication(rig.world);
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, name: "one", scsi0: "tank:0.0625" });
  rig.write("ams", "ams-1", volid, 0, 40);
  await rig.call("POST", "ams/cluster/replication", { id: "100-0", type: "local", target: "ams-2", schedule: "*/15" });
  return { rig, stop };
}

const replica = (rig: Rig, node = "ams-2") => rig.world.state.backends[`${node}-tank`]!.volumes["vm-100-disk-0"];
const checksums = (rig: Rig, nodes: string[]) => nodes.map((node) => diskChecksum(replica(rig, node)!.blocks));
const minutes = (rig: Rig, count: number) => rig.world.clock.advance(count * 60_000);
const status = async (rig: Rig, node = "ams-1") =>
  (await rig.call("GET", `ams/nodes/${node}/replication/100-0/status`)) as Record<string, unknown>;
const logOf = async (rig: Rig, node = "ams-1") =>
  ((await rig.call("GET", `ams/nodes/${node}/replication/100-0/log`)) as { t: string }[]).map(({ t }) => t.replace(/^\S+ \S+ /, ""));

test("the first run sends everything, the next ones what changed", async () => {
  const { rig, stop } = await replicatedRig();
  await minutes(rig, 2);
  expect(new Set(checksums(rig, ["ams-1", "ams-2"])).size).toBe(1);
  expect(await status(rig)).toMatchObject({ id: "100-0", guest: 100, jobnum: 0, vmtype: "qemu", target: "ams-2", fail_count: 0 });
  expect((await logOf(rig)).join("\n")).toMatch(/full sync 'tank:vm-100-disk-0' \(__replicate_100-0_\d+__\)/);
  rig.write("ams", "ams-1", volid, 50, 2);
  await minutes(rig, 15);
  expect((await logOf(rig)).join("\n")).toMatch(
    /incremental sync 'tank:vm-100-disk-0' \(__replicate_100-0_\d+__ => __replicate_100-0_\d+__\)/,
  );
  expect(new Set(checksums(rig, ["ams-1", "ams-2"])).size).toBe(1);
  expect(Object.keys(replica(rig)!.snapshots!)).toHaveLength(1);
  expect(Object.keys(replica(rig, "ams-1")!.snapshots!)).toEqual(Object.keys(replica(rig)!.snapshots!));
  stop();
});

test("a target that is off is an error with growing pauses, and everything is well when it is back", async () => {
  const { rig, stop } = await replicatedRig();
  await minutes(rig, 16);
  rig.cluster("ams").nodes["ams-2"]!.status = "offline";
  await minutes(rig, 15);
  expect(await status(rig)).toMatchObject({ fail_count: 1, error: expect.stringContaining("exit code 255") });
  expect((await logOf(rig)).at(-1)).toContain("end replication job with error");
  expect(Object.keys(replica(rig, "ams-1")!.snapshots!)).toHaveLength(1);
  rig.cluster("ams").nodes["ams-2"]!.status = "online";
  await minutes(rig, 6);
  const after = await status(rig);
  expect(after).toMatchObject({ fail_count: 0 });
  expect(after).not.toHaveProperty("error");
  stop();
});

test("schedule_now does not wait for the schedule", async () => {
  const { rig, stop } = await replicatedRig();
  await rig.call("PUT", "ams/cluster/replication/100-0", { schedule: "yearly" });
  // A new job runs at once, whatever its schedule.
  await minutes(rig, 2);
  rig.write("ams", "ams-1", volid, 50, 2);
  await minutes(rig, 60);
  expect(new Set(checksums(rig, ["ams-1", "ams-2"])).size).toBe(2);
  await rig.call("POST", "ams/nodes/ams-1/replication/100-0/schedule_now");
  await minutes(rig, 2);
  expect(new Set(checksums(rig, ["ams-1", "ams-2"])).size).toBe(1);
  stop();
});

test("a migration to the target sends only what changed and turns the job around", async () => {
  const { rig, stop } = await replicatedRig();
  await minutes(rig, 16);
  rig.write("ams", "ams-1", volid, 50, 2);
  await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
  await expect(rig.call("POST", "ams/nodes/ams-1/qemu/100/migrate", { target: "ams-3", online: 1, "with-local-disks": 1 })).rejects.toThrow(
    "Cannot live-migrate replicated VM to node 'ams-3' - not a replication target. Use 'force' to override.",
  );
  const task = await rig.run("POST", "ams/nodes/ams-1/qemu/100/migrate", { target: "ams-2", online: 1, "with-local-disks": 1 });
  expect(task.exitStatus).toBe("OK");
  expect(task.log.join("\n")).toContain("replicating disk images");
  expect(rig.cluster("ams").tasks[task.upid]!.traffic!.readBytes).toBe(2 * mebibyte);
  expect(rig.guest("ams", 100)).toMatchObject({ node: "ams-2", running: true });
  expect(await rig.call("GET", "ams/cluster/replication")).toMatchObject([{ id: "100-0", source: "ams-2", target: "ams-1" }]);
  rig.write("ams", "ams-2", volid, 60, 1);
  await minutes(rig, 16);
  expect(new Set(checksums(rig, ["ams-1", "ams-2"])).size).toBe(1);
  expect((await logOf(rig, "ams-2")).join("\n")).toContain("incremental sync");
  stop();
});

test("a removed job takes its replicas and snapshots with it, or only the snapshots", async () => {
  for (const [params, left] of [
    [{}, false],
    [{ keep: 1 }, true],
  ] as const) {
    const { rig, stop } = await replicatedRig();
    await minutes(rig, 16);
    await rig.call("DELETE", "ams/cluster/replication/100-0", params);
    expect(await rig.call("GET", "ams/cluster/replication/100-0")).toMatchObject({ remove_job: left ? "local" : "full" });
    await minutes(rig, 2);
    expect(await rig.call("GET", "ams/cluster/replication")).toEqual([]);
    expect(replica(rig) !== undefined).toBe(left);
    expect(replica(rig, "ams-1")!.snapshots).toEqual({});
    stop();
  }
});

test("a replicated guest is deleted only with purge", async () => {
  const { rig, stop } = await replicatedRig();
  await expect(rig.call("DELETE", "ams/nodes/ams-1/qemu/100")).rejects.toThrow(
    "There is a replication job '100-0' for guest '100' - Please remove that first.",
  );
  expect((await rig.run("DELETE", "ams/nodes/ams-1/qemu/100", { purge: 1 })).exitStatus).toBe("OK");
  expect(await rig.call("GET", "ams/cluster/replication")).toEqual([]);
  stop();
});

test("only ZFS volumes can be replicated, and only to other nodes", async () => {
  const { rig, stop } = await replicatedRig();
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 101, scsi0: "local:0.0625" });
  const create = (params: Record<string, unknown>) => rig.call("POST", "ams/cluster/replication", { type: "local", ...params });
  await expect(create({ id: "101-0", target: "ams-2" })).rejects.toThrow(
    "missing replicate feature on volume 'local:101/vm-101-disk-0.raw'",
  );
  await expect(create({ id: "100-1", target: "ams-1" })).rejects.toThrow("Source and target must not be identical");
  await expect(create({ id: "100-1", target: "ams-2" })).rejects.toThrow(
    "replication job for guest '100' to target 'local/ams-2' already exists",
  );
  stop();
});
