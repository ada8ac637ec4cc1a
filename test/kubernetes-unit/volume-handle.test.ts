import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatVolumeHandle, parseVolumeHandle, type VolumeHandle, volidOfHandle } from "../../src/kubernetes";
import { ownerVmidOf } from "../../src/migration";

/** As the plugin, its command and its documentation write them. */
const handles: [text: string, handle: VolumeHandle, volid: string, vmid: number | undefined][] = [
  [
    "cluster-1/pve-1/local-lvm/vm-9999-pvc-7bb09e5d-ebd3-4b13-9ea2-67f25ae8b1c8",
    { region: "cluster-1", zone: "pve-1", storage: "local-lvm", volname: "vm-9999-pvc-7bb09e5d-ebd3-4b13-9ea2-67f25ae8b1c8" },
    "local-lvm:vm-9999-pvc-7bb09e5d-ebd3-4b13-9ea2-67f25ae8b1c8",
    9999,
  ],
  [
    "cluster-1/pve-1/local/9999/vm-9999-pvc-123.raw",
    { region: "cluster-1", zone: "pve-1", storage: "local", volname: "9999/vm-9999-pvc-123.raw" },
    "local:9999/vm-9999-pvc-123.raw",
    9999,
  ],
  ["cluster-1//ceph/vm-9999-pvc-123", { region: "cluster-1", storage: "ceph", volname: "vm-9999-pvc-123" }, "ceph:vm-9999-pvc-123", 9999],
  [
    "cluster-1//nfs/9999/vm-9999-pvc-123.qcow2",
    { region: "cluster-1", storage: "nfs", volname: "9999/vm-9999-pvc-123.qcow2" },
    "nfs:9999/vm-9999-pvc-123.qcow2",
    9999,
  ],
  // A snapshot of the plugin's is a disk like any other.
  [
    "cluster-1/pve-1/zfs/vm-9999-snapshot-123",
    { region: "cluster-1", zone: "pve-1", storage: "zfs", volname: "vm-9999-snapshot-123" },
    "zfs:vm-9999-snapshot-123",
    9999,
  ],
  // `features.controllerVmID` of the plugin.
  [
    "cluster-1//cephfs/19999/vm-19999-pvc-123.raw",
    { region: "cluster-1", storage: "cephfs", volname: "19999/vm-19999-pvc-123.raw" },
    "cephfs:19999/vm-19999-pvc-123.raw",
    19999,
  ],
  // Replicated: the owner carries the PersistentVolume's name.
  ["cluster-1//zfs/vm-10001-pvc-123", { region: "cluster-1", storage: "zfs", volname: "vm-10001-pvc-123" }, "zfs:vm-10001-pvc-123", 10001],
  [
    "eu-ams/ams-1/local-lvm/vm-1004-disk-0",
    { region: "eu-ams", zone: "ams-1", storage: "local-lvm", volname: "vm-1004-disk-0" },
    "local-lvm:vm-1004-disk-0",
    1004,
  ],
  ["r/z/s/folder/disk", { region: "r", zone: "z", storage: "s", volname: "folder/disk" }, "s:folder/disk", undefined],
];

describe("volumeHandle", () => {
  it.each(handles)("%s is read and written", (text, handle, volid, vmid) => {
    expect(parseVolumeHandle(text)).toEqual(handle);
    expect(formatVolumeHandle(handle)).toBe(text);
    expect(volidOfHandle(handle)).toBe(volid);
    expect(ownerVmidOf(volid)).toBe(vmid);
  });

  it.each(["", "region/storage/disk", "/zone/storage/disk", "region/zone//disk", "region/zone/storage/", "vm-100-disk-0"])(
    "%j is none",
    (text) => {
      expect(() => parseVolumeHandle(text)).toThrow(/is not a valid volumeHandle: it has the form region\/zone\/storage\/volume/);
    },
  );

  it("is never written so that a part would be read as another one", () => {
    const part = fc.string({ minLength: 0, maxLength: 8, unit: fc.constantFrom("a", "-", "/", "1") });
    fc.assert(
      fc.property(part, fc.option(part, { nil: undefined }), part, part, (region, zone, storage, volname) => {
        const handle = { region, ...(zone === undefined || zone === "" ? {} : { zone }), storage, volname };
        let text: string;
        try {
          text = formatVolumeHandle(handle);
        } catch {
          expect([region, storage, volname].includes("") || `${region}${zone ?? ""}${storage}`.includes("/")).toBe(true);
          return;
        }
        expect(parseVolumeHandle(text)).toEqual(handle);
      }),
    );
  });
});
