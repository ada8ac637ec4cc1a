import { beforeEach, describe, expect, it } from "vitest";
import { formatDescription, identityTag } from "../../src/migration";
import { addressesOf, findClashes } from "../../src/providers/address-clashes";
import { restoreStorage } from "../../src/providers/vm/restore-storage";
import { FakeCluster } from "../support/fake-cluster";
import { federation } from "../support/fake-federation";
import { fakeSession } from "../support/fake-session";
import { FakeWorld } from "../support/fake-world";
import { IDENTITY } from "../support/move-scenario";

const NET = "virtio=BC:24:11:00:00:01,bridge=vmbr0";

describe("the addresses of a guest", () => {
  it.each<[string, Record<string, string>, unknown]>([
    ["a card", { net0: NET }, [{ slot: "net0", mac: "BC:24:11:00:00:01", ips: [] }]],
    ["a card in small letters", { net0: "virtio=bc:24:11:00:00:01" }, [{ slot: "net0", mac: "BC:24:11:00:00:01", ips: [] }]],
    [
      "fixed addresses",
      { net1: "virtio", ipconfig1: "ip=10.0.0.5/24,gw=10.0.0.1,ip6=FD00::5/64" },
      [{ slot: "net1", ips: ["10.0.0.5", "fd00::5"] }],
    ],
    ["addresses by DHCP", { net0: "virtio", ipconfig0: "ip=dhcp,ip6=auto" }, [{ slot: "net0", ips: [] }]],
    ["addresses of no card", { ipconfig3: "ip=10.0.0.5/24" }, []],
  ])("%s", (_what, values, addresses) => {
    expect(addressesOf(values)).toEqual(addresses);
  });
});

describe("addresses that an arriving guest brings along", () => {
  let b: FakeCluster;
  const world = new FakeWorld();
  const clashes = (values: Record<string, string>) =>
    findClashes(
      fakeSession(world, federation(), [new FakeCluster("a", world, { nodes: ["a1"], storages: {} }), b]),
      "b",
      addressesOf(values),
    );
  beforeEach(() => {
    b = new FakeCluster("b", world, { nodes: ["b1"], storages: {} });
    b.addGuest({ vmid: 300, node: "b1", config: { net1: NET, ipconfig1: "ip=10.0.0.5/24" } });
  });

  it("are refused when somebody has them, one by one", async () => {
    expect(await clashes({ net0: NET, ipconfig0: "ip=10.0.0.5/24" })).toEqual([
      expect.stringMatching(/^its net0 has the MAC address BC:24:11:00:00:01, which vm 300 of b has too \(net1\)/),
      expect.stringMatching(/^its net0 has the address 10.0.0.5, which vm 300 of b has too \(net1\)/),
    ]);
  });

  it("are nobody's business where they differ, and cost no call where there are none", async () => {
    expect(await clashes({ net0: "virtio=BC:24:11:00:00:02", ipconfig0: "ip=10.0.0.6/24" })).toEqual([]);
    const before = world.calls.length;
    expect(await clashes({ net0: "virtio" })).toEqual([]);
    expect(world.calls).toHaveLength(before);
  });

  it("may be its own former copy's", async () => {
    b.guests.clear();
    const description = formatDescription("", { ...IDENTITY, generation: 1, phase: "retired" });
    b.addGuest({ vmid: 100, node: "b1", config: { net0: NET, tags: identityTag(IDENTITY), description } });
    expect(await clashes({ net0: NET })).toEqual([]);
  });
});

describe("the storage that a restore goes to", () => {
  const disk = (storage: string, sizeBytes: number) => ({ storage, sizeBytes, options: {} });
  it.each<[string, Record<string, ReturnType<typeof disk>>, string | undefined]>([
    ["the one of most bytes", { scsi0: disk("fast", 10), scsi1: disk("slow", 6), scsi2: disk("slow", 6) }, "slow"],
    ["of equals the first by name", { scsi0: disk("slow", 5), scsi1: disk("fast", 5) }, "fast"],
    ["that of cloud-init where there is no disk", {}, "local"],
  ])("is %s", (_which, disks, expected) => {
    const shape = { scalars: {}, disks, networks: {}, tags: [], text: "", running: true, cloudInitStorage: "local" };
    expect(restoreStorage(shape)).toBe(expected);
  });
});
