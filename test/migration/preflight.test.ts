import { describe, expect, it } from "vitest";
import { type PreflightFacts, preflight, type Route } from "../../src/migration";
import type { StorageDefinition } from "../../src/proxmox";
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
    ["a spice port", facts({}, { usb0: "spice,usb3=1" })],
    ["a pinned machine type and a target as new", facts({ versions: { source: 8, target: 9 } }, { machine: "pc-q35-8.1" })],
    ["a vmid of somebody else's", facts({ vmidTaken: true })],
    ["virtual devices", facts({}, { usb: "x", serial0: "socket", rng0: "source=/dev/urandom" })],
  ])("is not stopped by %s", (_what, given) => {
    expect(preflight(ROUTE, given)).toEqual([]);
  });

  it.each<[string, PreflightFacts, RegExp]>([
    ["a lock", facts({}, { lock: "migrate" }), /^it is locked \(migrate\).*qm unlock 100/],
    ["snapshots", facts({}, { parent: "before" }), /^it has snapshots \(before\).*delete them/],
    [
      "HA whose entries the token may not change",
      facts({ membership: { ha: { state: "started", rules: [] } } }),
      /^the token of a lacks Sys.Console on \/ \(change its HA entry\)/,
    ],
    [
      "what it belongs to and the target does not have",
      facts({ membershipFindings: ["its HA group or rule web has no counterpart"] }),
      /^its HA group or rule web/,
    ],
    ["an address that somebody has at the target", facts({ clashes: ["its net0 has the MAC address"] }), /^its net0 has the MAC address/],
    [
      "a hook script",
      facts({}, { hookscript: "local:snippets/x.pl" }),
      /^hookscript \(local:snippets\/x.pl\) names a file of this cluster/,
    ],
    ["cloud-init files", facts({}, { cicustom: "user=local:snippets/u.yml" }), /^cicustom .* names a file of this cluster/],
    ["a shared directory of its host", facts({}, { virtiofs0: "dirid=x" }), /^it uses a device of its host \(virtiofs0\)/],
    ["a serial port of its host", facts({}, { serial0: "/dev/ttyS0" }), /^it uses a device of its host \(serial0\)/],
    ["a disk of its host", facts({}, { scsi2: "/dev/sdb" }), /^scsi2 \(\/dev\/sdb\) is a device of its host/],
    [
      "a pinned machine type and an older target",
      facts({ versions: { source: 9, target: 8 } }, { machine: "pc-q35-10.0" }),
      /^its machine type is pinned to pc-q35-10.0/,
    ],
    [
      "a key that an older target drops",
      facts({ versions: { source: 9, target: 8 } }, { "allow-ksm": "0" }),
      /^allow-ksm is not known to Proxmox VE 8/,
    ],
    ["a bridge that is not there", facts({ targetNode: "b1", targetNodeBridges: ["vmbr9"] }), /^bridge vmbr0 is not on b\/b1/],
    [
      "too little room for its disks",
      facts({ targetRoom: [{ storage: "fast", neededBytes: 8 * GIB, freeBytes: 2 * GIB }] }),
      /^storage fast of b has 2 GiB free, 8 GiB needed/,
    ],
    [
      "a vmid of somebody else's and no right to read the archive under it",
      facts({ vmidTaken: true, targetPermissions: { "/": ALL, "/vms/100": {}, "/pool/prod": ALL } }),
      /^the token of b lacks VM.Backup on \/vms\/100 \(read the archive\)/,
    ],
    ["no backup where one is asked for", facts({ hasBackup: false }), /^there is no backup of it on nas-a.*ensure_backup_exists/],
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

const definition = (type: string, raw: Record<string, unknown>): StorageDefinition => ({
  storage: "x",
  type,
  content: ["backup"],
  shared: true,
  raw,
});

describe("the store of a move", () => {
  const VAULT = { server: "pbs1", datastore: "tank", namespace: "a", fingerprint: "AA:BB" };
  it.each<[string, StorageDefinition, StorageDefinition]>([
    [
      "one datastore under two names of its server",
      definition("pbs", VAULT),
      definition("pbs", { ...VAULT, server: "10.0.0.9", fingerprint: "aabb" }),
    ],
    [
      "one datastore, and one side with a certificate it trusts",
      definition("pbs", VAULT),
      definition("pbs", { ...VAULT, fingerprint: undefined }),
    ],
    ["one export", definition("nfs", { server: "nas", export: "/backup/" }), definition("nfs", { server: "nas2", export: "/backup" })],
    ["an export here and a mounted directory there", definition("nfs", { export: "/backup" }), definition("dir", { path: "/mnt/backup" })],
  ])("is not refused for %s", (_what, sourceStore, targetStore) => {
    expect(preflight(ROUTE, facts({ sourceStore, targetStore }))).toEqual([]);
  });

  it.each<[string, StorageDefinition, StorageDefinition, RegExp]>([
    [
      "another datastore",
      definition("pbs", VAULT),
      definition("pbs", { ...VAULT, datastore: "rust" }),
      /not the same store: datastore is tank there and rust here/,
    ],
    [
      "another namespace",
      definition("pbs", VAULT),
      definition("pbs", { ...VAULT, namespace: undefined }),
      /namespace is a there and none here/,
    ],
    [
      "another server",
      definition("pbs", VAULT),
      definition("pbs", { ...VAULT, fingerprint: "CC:DD" }),
      /fingerprint is aabb there and ccdd here/,
    ],
    ["another export", definition("nfs", { export: "/a" }), definition("nfs", { export: "/b" }), /export is \/a there/],
    ["another share", definition("cifs", { share: "a" }), definition("cifs", { share: "b" }), /share is a there/],
    ["another kind", definition("pbs", VAULT), definition("nfs", {}), /the type is pbs there and nfs here/],
  ])("is refused when it is %s", (_what, sourceStore, targetStore, finding) => {
    expect(preflight(ROUTE, facts({ sourceStore, targetStore }))).toEqual([expect.stringMatching(finding)]);
  });

  const KEY = "ab:cd:ef:01:23:45:67:89";
  const route: Route = { ...ROUTE, encrypted: true };
  const encrypted = (sourceKey: unknown, targetKey: unknown) =>
    facts({
      sourceStore: definition("pbs", { ...VAULT, "encryption-key": sourceKey }),
      targetStore: definition("pbs", { ...VAULT, "encryption-key": targetKey }),
    });
  it("encrypts where both sides show the same key", () => {
    expect(preflight(route, encrypted(KEY, KEY.replaceAll(":", "").toUpperCase()))).toEqual([]);
  });

  it.each<[string, PreflightFacts, RegExp]>([
    ["no key", encrypted(undefined, undefined), /nas-a of a shows no client key/],
    ["a key without a fingerprint", encrypted("1", "1"), /shows no client key with a fingerprint/],
    [
      "another key at the target",
      encrypted(KEY, KEY.replace("ab", "00")),
      /the client keys differ: nas-a of a has abcdef0123456789, nas-b of b has 00cdef/,
    ],
    ["definitions the token does not see", facts(), /give the token Datastore.Audit/],
  ])("is refused for encryption with %s", (_what, given, finding) => {
    expect(preflight(route, given)[0]).toMatch(finding);
  });
});
