import { describe, expect, test } from "vitest";
import { createRig, type Rig } from "./harness";

interface Operation {
  name: string;
  method: "POST" | "PUT" | "DELETE";
  path: string;
  params: Record<string, unknown>;
  /** Guests whose config lock must be gone after a stop. */
  guests: number[];
}

const operations: Operation[] = [
  {
    name: "create",
    method: "POST",
    path: "ams/nodes/ams-1/qemu",
    params: { vmid: 200, memory: 16, scsi0: "local:0.03125", scsi1: "nvme:1" },
    guests: [],
  },
  {
    name: "import",
    method: "POST",
    path: "ams/nodes/ams-1/qemu",
    params: { vmid: 200, memory: 16, scsi0: "local:0,import-from=local:import/debian-13.qcow2" },
    guests: [],
  },
  { name: "clone", method: "POST", path: "ams/nodes/ams-1/qemu/100/clone", params: { newid: 200, full: 1 }, guests: [100] },
  {
    name: "move disk",
    method: "POST",
    path: "ams/nodes/ams-1/qemu/100/move_disk",
    params: { disk: "scsi0", storage: "nvme", delete: 1 },
    guests: [100],
  },
  { name: "backup", method: "POST", path: "ams/nodes/ams-1/vzdump", params: { vmid: 100, storage: "nas" }, guests: [100] },
  { name: "backup to a datastore", method: "POST", path: "ams/nodes/ams-1/vzdump", params: { vmid: 100, storage: "pbs" }, guests: [100] },
  { name: "migrate", method: "POST", path: "ams/nodes/ams-1/qemu/100/migrate", params: { target: "ams-2" }, guests: [100] },
  { name: "start", method: "POST", path: "ams/nodes/ams-1/qemu/100/status/start", params: {}, guests: [100] },
  { name: "delete", method: "DELETE", path: "ams/nodes/ams-1/qemu/100", params: {}, guests: [] },
  { name: "add a disk", method: "POST", path: "ams/nodes/ams-1/qemu/100/config", params: { scsi3: "local:0.03125" }, guests: [100] },
];

async function prepared(): Promise<Rig> {
  const rig = createRig();
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, memory: 16, scsi0: "local:0.0625" });
  rig.write("ams", "ams-1", "local:100/vm-100-disk-0.raw", 0, 60);
  for (const backend of Object.values(rig.world.state.backends)) backend.bytesPerSecond = 16 * 1024 * 1024;
  return rig;
}

/** Runs the operation up to its `ticks`-th moment; false when it was over before. */
async function interruptAfter(
  rig: Rig,
  operation: Operation,
  ticks: number,
  end: (upid: string) => Promise<void> | void,
): Promise<boolean> {
  const upid = await rig.begin(operation.method, operation.path, operation.params);
  for (let tick = 0; tick < ticks && rig.world.tasks.isRunning(upid); tick += 1) {
    await rig.world.clock.advanceToNextTimer();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const alive = rig.world.tasks.isRunning(upid);
  await end(upid);
  await new Promise((resolve) => setImmediate(resolve));
  return alive;
}

/** Every image on a place of `ams`, as `backend:key`. */
const images = (rig: Rig): string[] =>
  Object.values(rig.world.state.backends).flatMap((backend) =>
    Object.entries(backend.volumes)
      .filter(([, volume]) => volume.content === "images")
      .map(([key]) => `${backend.id}:${key}`),
  );

/** Images that some config of the federation names, by last part of the name. */
function named(rig: Rig, image: string): boolean {
  const file = image.split("/").at(-1)!.split(":").at(-1)!;
  return Object.values(rig.cluster("ams").guests).some((guest) => Object.values(guest.config).some((value) => value.includes(file)));
}

describe.each(operations)("$name", (operation) => {
  test("stopped at any moment: no lock, no orphan, the guest works on", async () => {
    for (let ticks = 0; ; ticks += 1) {
      const rig = await prepared();
      const alive = await interruptAfter(rig, operation, ticks, (upid) => rig.world.tasks.stop(upid));
      const where = `after ${ticks} moments`;
      for (const vmid of operation.guests) expect([where, rig.guest("ams", vmid)?.config.lock]).toEqual([where, undefined]);
      expect([where, images(rig).filter((image) => !named(rig, image))]).toEqual([where, []]);
      const guest = rig.guest("ams", 100);
      if (guest) await rig.call("PUT", `ams/nodes/${guest.node}/qemu/100/config`, { description: "still here" });
      if (!alive) return;
    }
  });

  test("killed at any moment: no file lock is left, no volume of another guest is gone", async () => {
    for (let ticks = 0; ; ticks += 1) {
      const rig = await prepared();
      const alive = await interruptAfter(rig, operation, ticks, (upid) => rig.world.tasks.kill(upid));
      const guest = rig.guest("ams", 100);
      if (guest && guest.config.lock === undefined) {
        await rig.call("PUT", `ams/nodes/${guest.node}/qemu/100/config`, { description: "still here" });
      }
      if (guest && operation.name !== "delete") {
        const scsi0 = guest.config.scsi0!.split(",")[0]!;
        expect(Object.keys(rig.volume("ams", guest.node, scsi0).blocks)).toHaveLength(60);
      }
      if (!alive) return;
    }
  });
});
