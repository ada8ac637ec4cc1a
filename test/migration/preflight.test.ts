import { describe, expect, it } from "vitest";
import { type PreflightFacts, preflight, type Route } from "../../src/migration";
import { guestRow } from "../support/fake-federation";

const GIB = 1024 ** 3;
const ROUTE: Route = {
  source: "a",
  target: "b",
  method: "backup-restore",
  compression: true,
  store: { name: "nas", type: "nfs", writeStorage: "nas-a", readStorage: "nas-b" },
};
const ALL = Object.fromEntries(
  "VM.Audit VM.Backup VM.PowerMgmt VM.Config.Options VM.Config.Memory VM.Allocate Datastore.AllocateSpace SDN.Use"
    .split(" ")
    .map((privilege) => [privilege, true]),
);

const facts = (changes: Partial<PreflightFacts> = {}, values: Record<string, string> = {}): PreflightFacts => ({
  guest: guestRow({ pool: "prod" }),
  config: {
    digest: "",
    values: {
      name: "web",
      memory: "2048",
      scsi0: "fast:vm-100-disk-0,size=8G",
      ide2: "fast:vm-100-cloudinit,media=cdrom",
      net0: "virtio=BC:24:11:00:00:01,bridge=vmbr0",
      ...values,
    },
  },
  sourcePermissions: { "/": ALL },
  targetPermissions: { "/": ALL },
  pool: "prod",
  targetStorages: ["fast"],
  targetBridges: ["vmbr0"],
  targetNodeStorages: ["fast", "nas-b"],
  leastArchiveBytes: GIB,
  attachedVolids: new Set(),
  ...changes,
});

describe("a move", () => {
  it("may go when nothing stands in its way", () => {
    expect(preflight(ROUTE, facts())).toEqual([]);
  });

  it.each<[string, PreflightFacts]>([
    ["a backup that runs and ends by itself", facts({}, { lock: "backup" })],
    ["a disk that is backed up explicitly", facts({}, { scsi1: "fast:vm-100-disk-1,backup=1,size=1G" })],
    [
      "a disk of its own resource, which is attached without backup",
      facts({ attachedVolids: new Set(["fast:vm-300-disk-0"]) }, { scsi16: "fast:vm-300-disk-0,backup=0,size=1G" }),
    ],
    ["a store with just the room", facts({ storeFreeBytes: GIB })],
    ["a store of unknown room", facts({ storeFreeBytes: undefined })],
    ["virtual devices", facts({}, { usb: "x", serial0: "socket", rng0: "source=/dev/urandom" })],
  ])("is not stopped by %s", (_what, given) => {
    expect(preflight(ROUTE, given)).toEqual([]);
  });

  it.each<[string, PreflightFacts, RegExp]>([
    ["a lock", facts({}, { lock: "migrate" }), /^it is locked \(migrate\).*qm unlock 100/],
    ["snapshots", facts({}, { parent: "before" }), /^it has snapshots \(before\).*delete them/],
    ["HA", facts({ guest: guestRow({ pool: "prod", haState: "started" }) }), /^it is managed by HA.*remove it from HA/],
    ["a PCI device", facts({}, { hostpci0: "0000:01:00.0" }), /^it uses a device of its host \(hostpci0\)/],
    ["a USB device", facts({}, { usb1: "host=1-2" }), /^it uses a device of its host \(usb1\)/],
    [
      "an unused volume",
      facts({}, { unused0: "fast:vm-100-disk-7" }),
      /^unused0 \(fast:vm-100-disk-7\) would be left out of the backup: attach or delete it/,
    ],
    [
      "a disk left out of backups",
      facts({}, { scsi1: "fast:vm-100-disk-1,backup=0,size=1G" }),
      /^scsi1 \(fast:vm-100-disk-1\) has backup=0/,
    ],
    [
      "a disk left out of backups, at the line's end",
      facts({}, { virtio1: "fast:vm-100-disk-1,size=1G,backup=0" }),
      /^virtio1 .* has backup=0/,
    ],
    ["a TPM left out of backups", facts({}, { tpmstate0: "fast:vm-100-disk-1,backup=0" }), /^tpmstate0 .* has backup=0/],
    // pvc-1 must not excuse pvc-10.
    [
      "a disk whose name only begins like an attached one",
      facts({ attachedVolids: new Set(["fast:vm-300-pvc-1"]) }, { scsi1: "fast:vm-300-pvc-10,backup=0" }),
      /^scsi1 \(fast:vm-300-pvc-10\)/,
    ],
    [
      "a missing privilege at the source",
      facts({ sourcePermissions: { "/": ALL, "/vms/100": {}, "/pool/prod": { ...ALL, "VM.Backup": undefined! } } }),
      /^the token of a lacks VM\./,
    ],
    [
      "a missing privilege at the target",
      facts({ targetPermissions: { "/": ALL, "/storage/fast": {} } }),
      /^the token of b lacks Datastore.AllocateSpace on \/storage\/fast \(create the disks\)/,
    ],
    [
      "a bridge that may not be used",
      facts({ targetPermissions: { "/": ALL, "/sdn/zones/localnetwork/vmbr0": {} } }),
      /^the token of b lacks SDN.Use on \/sdn\/zones\/localnetwork\/vmbr0/,
    ],
    [
      "a store that the target node does not see",
      facts({ targetNodeStorages: ["fast"] }),
      /^storage nas-b of backup store nas is not available on the target node in b/,
    ],
    [
      "a full store",
      facts({ storeFreeBytes: GIB - 1 }),
      /^backup store nas has 1073741823 bytes free, at least 1073741824 are needed: free space/,
    ],
  ])("is stopped by %s, and that is said", (_what, given, finding) => {
    expect(preflight(ROUTE, given)[0]).toMatch(finding);
  });

  it("is stopped by an attached disk that backups would carry along: a restore would make a second one", () => {
    const attached = facts({ attachedVolids: new Set(["fast:vm-300-disk-0"]) }, { scsi16: "fast:vm-300-disk-0,size=1G" });
    expect(preflight(ROUTE, attached)).toEqual([expect.stringMatching(/^scsi16 \(fast:vm-300-disk-0\)/)]);
  });

  it("is stopped by an inserted image, which the other cluster need not have", () => {
    expect(preflight(ROUTE, facts({}, { sata0: "local:iso/debian.iso,media=cdrom,size=600M" }))).toEqual([
      expect.stringMatching(/^sata0 \(local:iso\/debian.iso\)/),
    ]);
  });

  it("is told everything that stands in its way at once", () => {
    const given = facts(
      { storeFreeBytes: 0, targetNodeStorages: [], targetPermissions: {} },
      { lock: "clone", parent: "x", unused0: "fast:vm-100-disk-9", hostpci0: "01:00" },
    );
    expect(preflight(ROUTE, given).length).toBeGreaterThan(8);
  });
});
