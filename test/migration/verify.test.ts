import { describe, expect, it } from "vitest";
import type { MarkedGuest } from "../../src/migration";
import { verifyRestored } from "../../src/migration/verify";
import { FakeCluster } from "../support/fake-cluster";
import { FakeWorld } from "../support/fake-world";

const api = new FakeCluster("b", new FakeWorld(), { nodes: ["b1"], storages: {} });
const guest = (values: Record<string, string>): MarkedGuest => ({
  ref: { api, node: "b1", vmid: 100 },
  config: { digest: "", values },
  text: "",
});

const SOURCE: Record<string, string> = {
  cores: "2",
  memory: "2048",
  smbios1: "uuid=1",
  scsi0: "fast:vm-100-disk-0,size=8G",
  scsi16: "fast:vm-300-disk-0,backup=0,size=1G",
  efidisk0: "fast:vm-100-disk-1,size=4M",
  tpmstate0: "fast:vm-100-disk-2,size=4M",
  ide2: "fast:vm-100-cloudinit,media=cdrom",
  net0: "virtio=BC:24:11:00:00:01,bridge=vmbr0",
  net1: "e1000=BC:24:11:00:00:02,bridge=vmbr1,tag=7",
};

/** As a restore makes it: other storage, names, TPM size; no foreign disk; another bridge is nobody's business here. */
const RESTORED: Record<string, string> = {
  ...SOURCE,
  scsi0: "slow:101/vm-101-disk-0.raw,size=8192M",
  efidisk0: "slow:101/vm-101-disk-1.raw,size=528K",
  tpmstate0: "slow:101/vm-101-disk-2.raw,size=9K",
  net1: "e1000=BC:24:11:00:00:02,bridge=vmbr9",
  name: "web",
  onboot: "0",
};
delete RESTORED.scsi16;

function findingsOf(changes: Record<string, string | undefined>): string {
  const values: Record<string, string> = { ...RESTORED };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) delete values[key];
    else values[key] = value;
  }
  try {
    verifyRestored(guest(SOURCE), guest(values));
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("a restored guest", () => {
  it("is as it was backed up, wherever its disks are now", () => {
    expect(findingsOf({})).toBe("");
  });

  it("may have a larger disk: the source's line is not told when the volume grows through another guest", () => {
    expect(findingsOf({ scsi0: "slow:vm-101-disk-0,size=9G" })).toBe("");
  });

  it.each<[string, Record<string, string | undefined>, string]>([
    ["a disk is missing", { scsi0: undefined }, "scsi0 is missing"],
    ["a disk is smaller", { scsi0: "slow:vm-101-disk-0,size=4G" }, "scsi0 has 4294967296 bytes instead of 8589934592"],
    ["a disk is somewhere else", { scsi0: undefined, virtio0: "slow:vm-101-disk-0,size=8G" }, "scsi0 is missing"],
    ["cores differ", { cores: "4" }, "cores is 4 instead of 2"],
    ["sockets appear", { sockets: "2" }, "sockets is 2 instead of absent"],
    ["memory is gone", { memory: undefined }, "memory is missing instead of 2048"],
    ["it is another machine", { smbios1: "uuid=2" }, "smbios1 is uuid=2 instead of uuid=1"],
    ["a card has another address", { net0: "virtio=BC:24:11:FF:00:01,bridge=vmbr0" }, "net0 lost its MAC address"],
    ["a card is gone", { net1: undefined }, "net1 lost its MAC address"],
  ])("is refused when %s", (_what, changes, finding) => {
    expect(findingsOf(changes)).toContain(finding);
  });

  it("is refused with all findings at once, and where it is", () => {
    const message = findingsOf({ scsi0: undefined, memory: "1", net0: undefined });
    expect(message).toContain("vm 100 on b");
    expect(message).toContain("scsi0 is missing; memory is 1 instead of 2048; net0 lost its MAC address");
  });
});
