import { describe, expect, test } from "vitest";
import type { StorageState } from "../../../src/simulator/kernel";
import { formatVolid, parseVolid, parseVolname, volnameOfKey, volumePath } from "../../../src/simulator/volumes/names";
import { imageFormat, roundedSizeBytes } from "../../../src/simulator/volumes/types";

const storage = (type: StorageState["type"], options: Record<string, string> = {}): StorageState =>
  ({ storage: "store", type, content: ["images"], options }) as unknown as StorageState;

describe("volume ids", () => {
  test("are split at the first colon", () => {
    expect(parseVolid("pbs:backup/vm/100/2026-01-01T00:00:00Z")).toEqual({ storage: "pbs", volname: "backup/vm/100/2026-01-01T00:00:00Z" });
    expect(parseVolid("none")).toBeUndefined();
    expect(formatVolid("local", "100/vm-100-disk-0.raw")).toBe("local:100/vm-100-disk-0.raw");
  });
});

describe("volume names", () => {
  test.each([
    ["dir", "100/vm-100-disk-0.qcow2", { vmid: 100, format: "qcow2", isBase: false, key: "100/vm-100-disk-0.qcow2" }],
    ["dir", "9/base-9-disk-0.raw/100/vm-100-disk-0.qcow2", { vmid: 100, base: "9/base-9-disk-0.raw", key: "100/vm-100-disk-0.qcow2" }],
    ["dir", "backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst", { content: "backup", vmid: 100 }],
    ["dir", "iso/debian.iso", { content: "iso", name: "debian.iso" }],
    ["lvmthin", "vm-100-pvc-data", { vmid: 100, format: "raw", isBase: false }],
    ["zfspool", "base-9-disk-0/vm-100-disk-0", { vmid: 100, base: "base-9-disk-0", key: "vm-100-disk-0" }],
    ["pbs", "backup/vm/100/2026-01-01T00:00:00Z", { content: "backup", vmid: 100, format: "pbs-vm", key: ":vm/100/2026-01-01T00:00:00Z" }],
  ] as const)("%s: %s", (type, volname, expected) => {
    expect(parseVolname(storage(type), volname)).toMatchObject(expected);
  });

  test.each([
    ["dir", "vm-100-disk-0", "unable to parse directory volume name 'vm-100-disk-0'"],
    ["dir", "100/vm-100-disk-0", "unable to parse volume filename 'vm-100-disk-0'"],
    ["lvmthin", "disk-0", "unable to parse lvm volume name 'disk-0'"],
    ["zfspool", "disk-0", "unable to parse zfs volume name 'disk-0'"],
    ["pbs", "vm/100/now", "unable to parse PBS volume name 'vm/100/now'"],
  ] as const)("%s refuses %s", (type, volname, message) => {
    expect(() => parseVolname(storage(type), volname)).toThrow(message);
  });

  test("a datastore shows the backups of its own namespace only", () => {
    const volume = { content: "backup" } as Parameters<typeof volnameOfKey>[2];
    const team = storage("pbs", { namespace: "team" });
    expect(volnameOfKey(team, "team:vm/100/2026-01-01T00:00:00Z", volume)).toBe("backup/vm/100/2026-01-01T00:00:00Z");
    expect(volnameOfKey(team, ":vm/100/2026-01-01T00:00:00Z", volume)).toBeUndefined();
  });

  test("paths are those of the node", () => {
    const local = storage("dir", { path: "/var/lib/vz" });
    expect(volumePath(local, parseVolname(local, "100/vm-100-disk-0.raw"))).toBe("/var/lib/vz/images/100/vm-100-disk-0.raw");
    const thin = storage("lvmthin", { vgname: "pve" });
    expect(volumePath(thin, parseVolname(thin, "vm-100-disk-0"))).toBe("/dev/pve/vm-100-disk-0");
  });
});

describe("storage types", () => {
  test("a format the storage does not have falls back to its default", () => {
    expect(imageFormat(storage("dir"), "qcow2")).toBe("qcow2");
    expect(imageFormat(storage("lvmthin"), "qcow2")).toBe("raw");
  });

  test("logical volumes have whole extents", () => {
    expect(roundedSizeBytes(storage("lvmthin"), 1)).toBe(4 * 1024 * 1024);
    expect(roundedSizeBytes(storage("dir"), 1)).toBe(1);
  });
});
