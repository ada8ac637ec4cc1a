import { describe, expect, test } from "vitest";
import { diskChecksum } from "../../../src/simulator/volumes";
import { createRig, type FinishedTask, type Rig } from "./harness";

const volid = "local:100/vm-100-disk-0.raw";
const guestPath = "ams/nodes/ams-1/qemu/100";

/** VM 100 runs on `ams-1`; 40 of its 64 blocks (1 MiB each) hold data. */
async function runningGuest(): Promise<Rig> {
  const rig = createRig();
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, memory: 64, scsi0: "local:0.0625" });
  rig.write("ams", "ams-1", volid, 0, 40);
  await rig.run("POST", `${guestPath}/status/start`);
  return rig;
}

async function backUp(rig: Rig, params: Record<string, unknown> = {}): Promise<FinishedTask> {
  const task = await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "pbs", ...params });
  expect(task.exitStatus).toBe("OK");
  return task;
}

const trafficOf = (rig: Rig, { upid }: FinishedTask) => {
  const traffic = rig.cluster("ams").tasks[upid]?.traffic;
  const blocks = (bytes = 0) => bytes / rig.world.blockBytes;
  return { read: blocks(traffic?.readBytes), sent: blocks(traffic?.networkBytes) };
};

const newestArchive = (rig: Rig, backend = "pbs") =>
  Object.values(rig.world.state.backends[backend]!.volumes)
    .filter(({ archive }) => archive !== undefined)
    .sort((a, b) => b.createdAtMs - a.createdAtMs)[0]!.archive!;

const bitmapLine = ({ log }: FinishedTask) => log.find((line) => line.includes("dirty-bitmap status"));

describe("a backup to a datastore", () => {
  test("reads and sends everything the first time, and says so", async () => {
    const rig = await runningGuest();
    const task = await backUp(rig);
    expect(bitmapLine(task)).toBe("INFO: scsi0: dirty-bitmap status: created new");
    expect(task.log.some((line) => line.includes("fast incremental mode"))).toBe(false);
    expect(task.log).toContain("INFO: backup is sparse: 24.00 MiB (37%) total zero data");
    expect(task.log).toContain("INFO: backup was done incrementally, reused 24.00 MiB (37%)");
    expect(trafficOf(rig, task)).toEqual({ read: 40, sent: 40 });
  });

  test("of a process that went on running reads and sends what was written since", async () => {
    const rig = await runningGuest();
    await backUp(rig);
    rig.write("ams", "ams-1", volid, 10, 5, "later");
    const task = await backUp(rig);
    expect(bitmapLine(task)).toBe("INFO: scsi0: dirty-bitmap status: OK (5.0 MiB of 64.0 MiB dirty)");
    expect(task.log).toContain("INFO: using fast incremental mode (dirty-bitmap), 5.0 MiB dirty of 64.0 MiB total");
    expect(task.log).toContain("INFO: backup was done incrementally, reused 59.00 MiB (92%)");
    expect(task.log.some((line) => line.startsWith("INFO: transferred 5.00 MiB in "))).toBe(true);
    expect(trafficOf(rig, task)).toEqual({ read: 5, sent: 5 });
    expect(diskChecksum(newestArchive(rig).disks.scsi0!.blocks)).toBe(diskChecksum(rig.volume("ams", "ams-1", volid).blocks));
  });

  test("of an unchanged disk reads and sends nothing", async () => {
    const rig = await runningGuest();
    await backUp(rig);
    const task = await backUp(rig);
    expect(bitmapLine(task)).toBe("INFO: scsi0: dirty-bitmap status: OK (drive clean)");
    expect(trafficOf(rig, task)).toEqual({ read: 0, sent: 0 });
    expect(task.log).toContain("INFO: backup was done incrementally, reused 64.00 MiB (100%)");
  });

  test("after a stop reads the whole disk and still sends only what is new", async () => {
    const rig = await runningGuest();
    await backUp(rig);
    rig.write("ams", "ams-1", volid, 10, 5, "later");
    await rig.run("POST", `${guestPath}/status/shutdown`);
    const task = await backUp(rig);
    expect(bitmapLine(task)).toBe("INFO: scsi0: dirty-bitmap status: created new");
    expect(trafficOf(rig, task)).toEqual({ read: 40, sent: 5 });
  });

  test("of a fenced guest has no bitmap and sends only what is new", async () => {
    const rig = await runningGuest();
    await backUp(rig);
    await rig.run("POST", `${guestPath}/status/shutdown`);
    await rig.call("PUT", `${guestPath}/config`, { template: 1 });
    const task = await backUp(rig);
    expect(bitmapLine(task)).toBeUndefined();
    expect(trafficOf(rig, task)).toEqual({ read: 40, sent: 0 });
  });

  test("finds the bitmap invalid when the group's newest backup is not the one it was begun with", async () => {
    const rig = await runningGuest();
    await backUp(rig);
    const { volumes } = rig.world.state.backends.pbs!;
    for (const key of Object.keys(volumes)) delete volumes[key];
    const task = await backUp(rig);
    expect(bitmapLine(task)).toBe("INFO: scsi0: dirty-bitmap status: existing bitmap was invalid and has been cleared");
    // The chunks are still on the server, but the client learns of known chunks from the group's last backup only.
    expect(trafficOf(rig, task)).toEqual({ read: 40, sent: 40 });
    expect(Object.keys(rig.world.state.backends.pbs!.chunks)).toHaveLength(40);
  });

  test("to another namespace starts anew and spoils the first one's bitmap", async () => {
    const rig = await runningGuest();
    await backUp(rig);
    rig.write("ams", "ams-1", volid, 0, 2, "later");
    const elsewhere = await backUp(rig, { storage: "pbs-fra" });
    expect(trafficOf(rig, elsewhere)).toEqual({ read: 40, sent: 40 });
    const back = await backUp(rig);
    expect(bitmapLine(back)).toContain("existing bitmap was invalid");
    expect(trafficOf(rig, back)).toEqual({ read: 40, sent: 2 });
  });

  test("that is interrupted takes its bitmap with it", async () => {
    const rig = await runningGuest();
    await backUp(rig);
    rig.write("ams", "ams-1", volid, 0, 3, "later");
    const upid = await rig.begin("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "pbs", bwlimit: 1 });
    rig.world.tasks.kill(upid);
    await rig.finish(upid);
    delete rig.guest("ams", 100)!.config.lock;
    const task = await backUp(rig);
    expect(diskChecksum(newestArchive(rig).disks.scsi0!.blocks)).toBe(diskChecksum(rig.volume("ams", "ams-1", volid).blocks));
    expect(trafficOf(rig, task).read).toBeGreaterThanOrEqual(3);
  });

  test("of a resized disk reads it whole", async () => {
    const rig = await runningGuest();
    await backUp(rig);
    await rig.run("PUT", `${guestPath}/resize`, { disk: "scsi0", size: "80M" });
    const task = await backUp(rig);
    expect(bitmapLine(task)).toContain("existing bitmap was invalid");
    expect(trafficOf(rig, task)).toEqual({ read: 40, sent: 0 });
  });

  test("after a mode=stop backup goes on with the bitmap of the process that was started for it", async () => {
    const rig = await runningGuest();
    await backUp(rig, { mode: "stop" });
    rig.write("ams", "ams-1", volid, 3, 4, "later");
    expect(trafficOf(rig, await backUp(rig))).toEqual({ read: 4, sent: 4 });
  });
});

test("a backup to a directory reads everything each time", async () => {
  const rig = await runningGuest();
  const first = await backUp(rig, { storage: "nas", compress: "zstd" });
  const second = await backUp(rig, { storage: "nas", compress: "zstd" });
  expect(trafficOf(rig, second)).toEqual(trafficOf(rig, first));
  expect(trafficOf(rig, second).read).toBe(40);
  expect(trafficOf(rig, second).sent).toBeGreaterThanOrEqual(20);
});
