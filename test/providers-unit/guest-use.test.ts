/** Which guests have a volume, and what it costs to ask for many volumes at once. */
import { beforeEach, describe, expect, it } from "vitest";
import { GuestUse } from "../../src/providers/volume/guest-use";
import { FakeCluster } from "../support/fake-cluster";
import { FakeWorld } from "../support/fake-world";

let world: FakeWorld;
let cluster: FakeCluster;
let use: GuestUse;
beforeEach(() => {
  world = new FakeWorld();
  cluster = new FakeCluster("a", world, { nodes: ["a1", "a2"], storages: { fast: { shared: false } } });
  use = new GuestUse(cluster);
});

const volidOf = (vmid: number) => `fast:vm-${vmid}-pv`;
const reads = () => world.calls.filter(({ name }) => name === "qemu.findConfig").length;

function addOwners(count: number): string[] {
  const volids = Array.from({ length: count }, (_, index) => volidOf(1000 + index));
  for (const [index, volid] of volids.entries())
    cluster.addGuest({ vmid: 1000 + index, node: "a1", power: "stopped", config: { name: `owner-${index}`, template: "1", scsi1: volid } });
  return volids;
}

function addWorker(config: Record<string, string> = {}, node = "a1") {
  return cluster.addGuest({ vmid: 500, node, power: "running", config: { name: "worker", ...config } });
}

describe("looking for the guests that have a volume", () => {
  it("names them by the exact volid, without its owner and without guests of other nodes", async () => {
    const [volid] = addOwners(12) as [string];
    addWorker({ scsi1: `${volid},backup=0`, scsi2: `${volid}0` });
    expect(await use.find(volid, "a1")).toEqual(["vm 500 (scsi1)"]);
    expect(await use.findNow(volid, "a1")).toEqual(["vm 500 (scsi1)"]);
    expect(await use.findNow(volid)).toEqual(["vm 500 (scsi1)"]);
    expect(await use.findNow(volid, "a2")).toEqual([]);
  });

  it("reads each owner once for the moves of a run, one after the other, and the worker each time", async () => {
    const volids = addOwners(40);
    addWorker();
    for (const volid of volids) for (const _look of ["before", "after the claim is gone"]) await use.find(volid, "a1");
    expect(reads()).toBe(40 + 2 * 40);
  });

  it("shares a pass among all deletions that begin at the same moment", async () => {
    const volids = addOwners(40);
    addWorker({ scsi3: volids[7]! });
    const users = await Promise.all(volids.map((volid) => use.findNow(volid, "a1")));
    expect(users.flat()).toEqual(["vm 500 (scsi3)"]);
    // The first asks alone; the others share the pass that begins after theirs.
    expect(reads()).toBe(2 * 41);
  });

  it("sees before a deletion what was changed after a pass had begun, also in an owner it has read before", async () => {
    const [volid, other] = addOwners(2) as [string, string];
    const worker = addWorker();
    expect(await use.find(volid, "a1")).toEqual([]);
    const early = use.findNow(other, "a1");
    worker.config.scsi1 = volid;
    cluster.guests.get(1001)!.config.scsi2 = volid;
    expect(await use.findNow(volid, "a1")).toEqual(["vm 1001 (scsi2)", "vm 500 (scsi1)"]);
    expect(await early).toEqual([]);
  });

  it("finds a guest that goes to another node between the list and the look, and not one that is gone", async () => {
    const [volid] = addOwners(1) as [string];
    const worker = addWorker({ scsi1: volid });
    const findConfig = cluster.qemu.findConfig;
    const onFirstLook = (what: () => void) => {
      cluster.qemu.findConfig = (node, vmid) => {
        if (vmid === 500) what();
        return findConfig(node, vmid);
      };
    };
    onFirstLook(() => {
      worker.node = "a2";
    });
    expect(await use.findNow(volid)).toEqual(["vm 500 (scsi1)"]);
    onFirstLook(() => cluster.guests.delete(500));
    expect(await use.findNow(volid)).toEqual([]);
  });

  it("does not hand the failure of one pass to those who ask later", async () => {
    const [volid] = addOwners(1) as [string];
    const listResources = cluster.listResources;
    cluster.listResources = () => Promise.reject(new Error("connection refused"));
    const [first, second] = [use.findNow(volid, "a1"), use.findNow(volid, "a1")];
    await expect(first).rejects.toThrow("connection refused");
    await expect(second).rejects.toThrow("connection refused");
    cluster.listResources = listResources;
    expect(await use.findNow(volid, "a1")).toEqual([]);
  });
});
