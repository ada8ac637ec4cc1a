import { describe, expect, it } from "vitest";
import { shapeForLiveRestore } from "../../src/providers/vm/live-shape";
import type { GuestShape } from "../../src/providers/vm/shape";

const SOURCE = {
  digest: "",
  values: {
    cores: "2",
    memory: "2048",
    onboot: "1",
    scsi0: "fast:vm-100-disk-0,discard=on,size=8G",
    ide2: "fast:vm-100-cloudinit,media=cdrom",
    net0: "virtio=BC:24:11:AA:00:01,bridge=vmbr0,tag=20",
  },
};
const DECLARED: GuestShape = {
  scalars: { cores: "2", memory: "2048", onboot: "1" },
  disks: { scsi0: { storage: "fast", sizeBytes: 8 * 1024 ** 3, options: { discard: "on" } } },
  networks: { net0: { model: "virtio", bridge: "vmbr0", vlan: 20 } },
  cloudInitStorage: "fast",
  tags: [],
  text: "",
  running: true,
};
const shape = (changes: Partial<GuestShape> = {}) => shapeForLiveRestore(SOURCE, { ...DECLARED, ...changes });

describe("a VM that runs while its data arrive", () => {
  it("is given nothing where both sites call everything the same", () => {
    expect(shape()).toEqual({});
  });

  it("is given the other site's bridge with its own address, and what the program has changed", () => {
    expect(
      shape({ networks: { net0: { model: "virtio", bridge: "vmbr1", vlan: 120 } }, scalars: { ...DECLARED.scalars, cores: "4" } }),
    ).toEqual({
      net0: "virtio=BC:24:11:AA:00:01,bridge=vmbr1,tag=120",
      cores: "4",
    });
  });

  it("gets later what a running VM can be given: start with the node, storages, sizes, tags, a cloud-init drive elsewhere", () => {
    const disks = { scsi0: { storage: "slow", sizeBytes: 9 * 1024 ** 3, options: { discard: "on" } } };
    const scalars = { ...DECLARED.scalars, onboot: "0" };
    expect(shape({ disks, scalars, tags: ["web"], text: "the shop", cloudInitStorage: "slow" })).toEqual({});
  });

  it.each<[string, Partial<GuestShape>, RegExp]>([
    ["a card that is no longer declared", { networks: {} }, /^net0 can only/],
    ["options of a disk", { disks: { scsi0: { ...DECLARED.disks.scsi0!, options: {} } } }, /^disks\.scsi0\.options can only/],
  ])("is restored first for %s", (_what, changes, reason) => {
    expect(shape(changes)).toMatch(reason);
  });
});
