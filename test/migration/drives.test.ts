import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dataDrivesOf, ownerVmidOf } from "../../src/migration";

const config = (values: Record<string, string>) => ({ digest: "", values });

describe("the owner of a volume", () => {
  it.each<[string, number | undefined]>([
    ["local:100/vm-100-disk-0.qcow2", 100],
    ["local:100/base-100-disk-0.raw", 100],
    ["local:9/base-9-disk-0.raw/100/vm-100-disk-1.qcow2", 100],
    ["local:3000/vm-3000-pvc-data.raw", 3000],
    ["local-lvm:vm-100-disk-0", 100],
    ["thick:vm-100-disk-0.qcow2", 100],
    ["tank:base-9-disk-0/vm-100-disk-1", 100],
    ["ceph:base-100-disk-0", 100],
    ["ceph:vm-9999-pvc-0b1c", 9999],
    ["local-lvm:vm-10-pvc-1", 10],
    ["local-lvm:vm-1-pvc-10", 1],
    ["local-lvm:vm-100-cloudinit", 100],
    ["nfs.store-1:100/vm-100-disk-0.raw", 100],
    ["local:iso/debian.iso", undefined],
    ["local:import/image.qcow2", undefined],
    ["local-lvm:swap", undefined],
    ["local-lvm:vm-abc-disk-0", undefined],
    ["local:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst", undefined],
  ])("of %s is %s", (volid, owner) => {
    expect(ownerVmidOf(volid)).toBe(owner);
  });

  it("is the number in the name, whatever the storage is called", () => {
    const storage = fc.stringMatching(/^[a-z][a-z0-9.-]{0,10}[a-z0-9]$/);
    fc.assert(
      fc.property(storage, fc.integer({ min: 1, max: 999_999_999 }), fc.constantFrom("", "dir"), (id, vmid, kind) => {
        const volid = kind === "dir" ? `${id}:${vmid}/vm-${vmid}-disk-0.raw` : `${id}:vm-${vmid}-disk-0`;
        expect(ownerVmidOf(volid)).toBe(vmid);
      }),
    );
  });
});

describe("the data drives of a guest", () => {
  it("are in the order of their slots, two before ten", () => {
    const drives = dataDrivesOf(
      config({
        scsi10: "s:vm-1-disk-2,size=1G",
        virtio0: "s:vm-1-disk-3,size=1G",
        scsi2: "s:vm-1-disk-1,size=1G",
        ide0: "s:vm-1-disk-0,size=1G",
      }),
    );
    expect(drives.map((drive) => drive.slot)).toEqual(["ide0", "scsi2", "scsi10", "virtio0"]);
  });

  it.each<[string, string, string]>([
    ["an empty CD drive", "ide2", "none,media=cdrom"],
    ["the host's CD drive", "ide2", "cdrom,media=cdrom"],
    ["an ISO image", "sata0", "local:iso/debian.iso,media=cdrom,size=600M"],
    ["cloud-init", "ide2", "fast:vm-1-cloudinit,media=cdrom,size=4M"],
    ["cloud-init on a directory", "ide2", "local:1/vm-1-cloudinit.qcow2,media=cdrom"],
    ["an EFI disk", "efidisk0", "fast:vm-1-disk-0,size=4M"],
    ["a TPM", "tpmstate0", "fast:vm-1-disk-0,size=4M"],
    ["an unused volume", "unused0", "fast:vm-1-disk-0"],
    ["a device of the host", "scsi3", "/dev/sdb,size=1G"],
    ["a key that only looks like one", "scsihw", "virtio-scsi-single"],
    ["a slot that is none", "scsi31", "fast:vm-1-disk-0"],
  ])("do not hold %s", (_what, key, line) => {
    expect(dataDrivesOf(config({ [key]: line }))).toEqual([]);
  });

  it("tell volume, owner, size and whether backups hold them", () => {
    expect(
      dataDrivesOf(
        config({
          scsi0: "fast:vm-1-disk-0,discard=on,size=8G",
          scsi16: "fast:vm-300-disk-0,backup=0,size=1028M",
          scsi1: "fast:vm-1-disk-1,backup=1",
        }),
      ).map(({ drive: _drive, ...rest }) => rest),
    ).toEqual([
      { slot: "scsi0", volid: "fast:vm-1-disk-0", ownerVmid: 1, sizeBytes: 8 * 1024 ** 3, backedUp: true },
      { slot: "scsi1", volid: "fast:vm-1-disk-1", ownerVmid: 1, sizeBytes: undefined, backedUp: true },
      { slot: "scsi16", volid: "fast:vm-300-disk-0", ownerVmid: 300, sizeBytes: 1028 * 1024 ** 2, backedUp: false },
    ]);
  });
});
