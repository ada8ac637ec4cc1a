/** What Proxmox would refuse of a remote migration, found in the preview. */
import { describe, expect, it } from "vitest";
import { type PreflightFacts, preflight, type RemoteFacts, type Route } from "../../src/migration";
import { formatBridgeMap, formatEndpoint } from "../../src/migration/remote-endpoint";
import { secretsOfParams } from "../../src/proxmox/redact";
import { guestRow } from "../support/fake-federation";

const ROUTE: Route = { source: "a", target: "b", method: "offline", compression: true };
const granted = (...privileges: string[]) => Object.fromEntries(privileges.map((privilege) => [privilege, true]));
const GUEST = ["VM.Audit", "VM.Allocate", "VM.PowerMgmt", "VM.Migrate"];
const CONFIG = ["Options", "CPU", "Memory", "Disk", "CDROM", "Cloudinit", "Network", "HWType"].map((key) => `VM.Config.${key}`);
const SOURCE = { "/vms": granted(...GUEST, ...CONFIG) };
const TARGET = {
  // As documented: held on / itself, and not below.
  "/": { "Sys.Audit": false, "Sys.Incoming": false },
  "/vms": granted(...GUEST, ...CONFIG),
  "/pool/prod": granted("Pool.Allocate"),
  "/storage/fast": granted("Datastore.AllocateSpace"),
  "/sdn/zones/localnetwork": granted("SDN.Use"),
};

const facts = (changes: Partial<PreflightFacts> = {}, values: Record<string, string> = {}): PreflightFacts => ({
  guest: guestRow({ pool: "prod" }),
  config: {
    digest: "",
    values: { name: "web", memory: "2048", scsi0: "nvme:vm-100-disk-0,size=8G", net0: "virtio=BC:24:11:00:00:01,bridge=vmbr0", ...values },
  },
  sourcePermissions: SOURCE,
  targetPermissions: TARGET,
  pool: "prod",
  targetStorages: ["fast"],
  targetBridges: ["vmbr0"],
  targetNodeStorages: ["fast"],
  leastArchiveBytes: 0,
  attachedVolids: new Set(),
  remote: remote("lvmthin", "lvmthin"),
  ...changes,
});

function remote(source: string, target: string, online = false): RemoteFacts {
  return { online, storageTypes: { source: { nvme: source }, target: { fast: target } } };
}

describe("a remote migration", () => {
  it("may go with the documented rights and storages of one type", () => {
    expect(preflight(ROUTE, facts())).toEqual([]);
  });

  it.each<[string, string, string, boolean]>([
    // from, to, volume, goes
    ["zfspool", "zfspool", "nvme:vm-100-disk-0", true],
    ["zfspool", "lvmthin", "nvme:vm-100-disk-0", false],
    ["lvmthin", "zfspool", "nvme:vm-100-disk-0", false],
    ["lvmthin", "rbd", "nvme:vm-100-disk-0", true],
    ["lvmthin", "dir", "nvme:vm-100-disk-0", true],
    ["dir", "lvm", "nvme:100/vm-100-disk-0.raw", true],
    ["dir", "nfs", "nvme:100/vm-100-disk-0.qcow2", true],
    ["dir", "lvmthin", "nvme:100/vm-100-disk-0.qcow2", false],
    ["dir", "rbd", "nvme:100/vm-100-disk-0.vmdk", false],
  ])("of a volume at rest from %s to %s (%s): %s", (from, to, volid, goes) => {
    const findings = preflight(ROUTE, facts({ remote: remote(from, to) }, { scsi0: `${volid},size=8G` }));
    expect(findings).toEqual(goes ? [] : [expect.stringMatching(/scsi0 .* cannot be sent to storage fast/)]);
  });

  it("of a running guest takes disks anywhere, but not what is generated for it", () => {
    const online = facts({ remote: remote("dir", "lvmthin", true) }, { scsi0: "nvme:100/vm-100-disk-0.qcow2,size=8G" });
    expect(preflight({ ...ROUTE, method: "storage" }, online)).toEqual([]);
    const withCloudInit = facts({ remote: remote("dir", "lvmthin", true) }, { ide2: "nvme:100/vm-100-cloudinit.qcow2,media=cdrom" });
    expect(preflight({ ...ROUTE, method: "storage" }, withCloudInit)).toEqual([expect.stringMatching(/^ide2 .* cannot be sent/)]);
  });

  it.each<[string, PreflightFacts, RegExp]>([
    ["high availability", facts({ membership: { ha: { state: "started", rules: [] } } }), /managed by HA.*backup-restore/],
    ["replication", facts({ membership: { replication: [{ job: 0, targetNode: "a2", disabled: false }] } }), /replicated.*backup-restore/],
    ["another guest's volume", facts({}, { scsi1: "nvme:vm-300-disk-0,backup=0,size=1G" }), /scsi1 .*belongs to another guest/],
    ["a linked clone", facts({}, { scsi1: "nvme:base-200-disk-0/base-100-disk-1,size=1G" }), /scsi1 .*or a template/],
    ["an inserted image", facts({}, { ide0: "local:iso/debian.iso,media=cdrom" }), /ide0 .*eject it/],
    ["the host's drive", facts({}, { ide0: "cdrom,media=cdrom" }), /ide0 .*device of its host/],
    ["a disk of the host", facts({}, { scsi1: "/dev/sdb,size=1T" }), /scsi1 .*device of its host/],
    ["snapshots", facts({}, { parent: "before" }), /snapshots \(before\)/],
    ["a passed-through device", facts({}, { hostpci0: "0000:01:00.0" }), /device of its host \(hostpci0\)/],
    ["an endpoint that is not known", facts({ remote: { ...remote("lvm", "lvm"), endpointProblem: "no address" } }), /no address/],
  ])("is refused for %s", (_what, given, finding) => {
    expect(preflight(ROUTE, given)).toEqual([expect.stringMatching(finding)]);
  });

  it("takes an empty drive along", () => {
    expect(preflight(ROUTE, facts({}, { ide0: "none,media=cdrom" }))).toEqual([]);
  });

  it.each<[string, Partial<PreflightFacts>, RegExp]>([
    [
      "VM.Migrate on the source",
      { sourcePermissions: { "/vms": granted(...GUEST.slice(0, 3), ...CONFIG) } },
      /token of a lacks VM.Migrate/,
    ],
    ["Sys.Incoming on /", { targetPermissions: { ...TARGET, "/": { "Sys.Audit": false } } }, /token of b lacks Sys.Incoming on \//],
    ["Sys.Audit on /", { targetPermissions: { ...TARGET, "/": { "Sys.Incoming": false } } }, /token of b lacks Sys.Audit on \//],
    ["its pool", { targetPermissions: { ...TARGET, "/pool/prod": {} } }, /token of b lacks Pool.Allocate on \/pool\/prod/],
    [
      "a right on /vms, which a pool does not replace",
      {
        targetPermissions: { ...TARGET, "/vms": granted(...CONFIG, ...GUEST.slice(1)), "/pool/prod": granted("Pool.Allocate", "VM.Audit") },
      },
      /token of b lacks VM.Audit on \/vms/,
    ],
  ])("is refused without %s", (_what, changes, finding) => {
    expect(preflight(ROUTE, facts(changes))).toEqual([expect.stringMatching(finding)]);
  });
});

describe("the target's endpoint", () => {
  const endpoint = { host: "192.0.2.7", port: 8006, fingerprint: "AA:BB", tokenId: "iac@pve!fed", secret: "3a6cd1c5-0000" };

  it("is written as Proxmox takes it, and its secret is known to the client's redaction", () => {
    const text = formatEndpoint(endpoint);
    expect(text).toBe("host=192.0.2.7,port=8006,fingerprint=AA:BB,apitoken=PVEAPIToken=iac@pve!fed=3a6cd1c5-0000");
    expect(secretsOfParams({ "target-endpoint": text })).toEqual(["3a6cd1c5-0000"]);
  });

  it.each([
    [[], "1"],
    [[{ from: "vmbr0", to: "vmbr1" }], "vmbr0:vmbr1"],
    [
      [
        { from: "vmbr0", to: "vmbr1" },
        { from: "vmbr0", to: "vmbr2" },
        { from: "vmbr3", to: "vmbr3" },
      ],
      "vmbr0:vmbr1,vmbr3:vmbr3",
    ],
  ])("maps the bridges of %j as %s", (pairs, text) => {
    expect(formatBridgeMap(pairs)).toBe(text);
  });
});
