import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Simulator, smallLayout, startSimulator } from "../../src/simulator";
import { bootDiskBytes, broadcast, cpuCount, memoryBytes } from "../../src/simulator/broadcast";
import type { GuestState } from "../../src/simulator/state";
import { sendPlain } from "./http-client";

let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator({ layout: smallLayout(), timeScale: 0, startMs: 1_700_000_000_000 });
});

afterEach(() => simulator.stop());

type Row = Record<string, unknown>;

async function read(path: string): Promise<unknown> {
  const cluster = simulator.clusters[0]!;
  const reply = await sendPlain(cluster.endpoints[0]!.url, {
    path: `/api2/json${path}`,
    headers: { Authorization: `PVEAPIToken=${cluster.token!.id}=${cluster.token!.secret}` },
  });
  expect([path, reply.status]).toEqual([path, 200]);
  return reply.json?.data;
}

const cluster = () => simulator.world.state.clusters.ams!;

function addGuest(vmid: number, config: Record<string, string>): GuestState {
  const guest: GuestState = { vmid, node: "ams-1", config, pending: {}, snapshots: {}, running: false, qmpStatus: "stopped" };
  cluster().guests[vmid] = guest;
  return guest;
}

const guestRows = async () => (await read("/cluster/resources?type=vm")) as Row[];

describe("/cluster/resources", () => {
  test("shows tags, lock and pool at once, the rest with the next broadcast", async () => {
    addGuest(100, { name: "web", tags: "a;b", lock: "backup", memory: "2048", cores: "2" });
    cluster().pools.federation!.vms.push(100);
    expect(await guestRows()).toEqual([
      { id: "qemu/100", type: "qemu", vmid: 100, node: "ams-1", status: "unknown", tags: "a;b", lock: "backup", pool: "federation" },
    ]);
    await simulator.world.clock.advance(10_000);
    expect(await guestRows()).toMatchObject([{ name: "web", status: "stopped", maxmem: 2 ** 31, maxcpu: 2, template: 0 }]);
  });

  test("shows the old guest's name under a reused id until its node speaks", async () => {
    addGuest(100, { name: "old" });
    await simulator.world.clock.advance(10_000);
    delete cluster().guests[100];
    expect(await guestRows()).toEqual([]);
    addGuest(100, { name: "new" });
    expect(await guestRows()).toMatchObject([{ name: "old" }]);
    await simulator.world.clock.advance(10_000);
    expect(await guestRows()).toMatchObject([{ name: "new" }]);
  });

  test("forgets a guest's statistics when its node has been silent for five minutes", () => {
    addGuest(100, { name: "web" });
    broadcast(cluster(), 0);
    cluster().nodes["ams-1"]!.status = "offline";
    broadcast(cluster(), 290_000);
    expect(cluster().broadcast.guests[100]).toMatchObject({ name: "web", sentAtMs: 0 });
    broadcast(cluster(), 300_000);
    expect(cluster().broadcast.guests[100]).toBeUndefined();
  });

  test("lists nodes and, per node, storages", async () => {
    const rows = (await read("/cluster/resources")) as Row[];
    const ids = rows.map((row) => row.id);
    expect(ids).toEqual(expect.arrayContaining(["node/ams-1", "storage/ams-2/nvme", "storage/ams-1/pbs-fra", "/pool/federation"]));
    expect(rows.find((row) => row.id === "node/ams-1")).toMatchObject({ maxcpu: 16, maxmem: 64 * 1024 ** 3, status: "online" });
  });

  test("hides what the caller has no right to", async () => {
    addGuest(100, { name: "web" });
    cluster().access.acl = [];
    const rows = (await read("/cluster/resources")) as Row[];
    expect(rows).toEqual(
      ["ams-1", "ams-2"].map((node) => ({ id: `node/${node}`, type: "node", node, status: "online", level: "", "cgroup-mode": 2 })),
    );
    expect(await read("/nodes/ams-1/network")).toMatchObject([{ iface: "eth0" }]);
    expect(await read("/access/permissions")).toEqual({});
  });
});

test("the next free id is in the datacenter's range and not reserved", async () => {
  cluster().options["next-id"] = "lower=200,upper=202";
  addGuest(200, {});
  expect([await read("/cluster/nextid"), await read("/cluster/nextid")]).toEqual(["201", "201"]);
  expect(await read("/cluster/nextid?vmid=7000")).toBe("7000");
});

test.each([
  [{}, 512 * 2 ** 20],
  [{ memory: "2048" }, 2 ** 31],
  [{ memory: "current=1024" }, 2 ** 30],
])("memory of %j", (config, bytes) => {
  expect(memoryBytes(config)).toBe(bytes);
});

test.each([
  [{}, 1],
  [{ cores: "4", sockets: "2" }, 8],
  [{ cores: "4", vcpus: "2" }, 2],
])("processors of %j", (config, count) => {
  expect(cpuCount(config)).toBe(count);
});

test.each([
  [{}, 0],
  [{ boot: "order=scsi0;ide2", scsi0: "nvme:vm-1-disk-0,size=32G" }, 32 * 1024 ** 3],
  [
    { boot: "order=ide2;scsi0", ide2: "local:iso/a.iso,media=cdrom,size=1G", scsi0: "nvme:vm-1-disk-0,discard=on,size=512M" },
    512 * 1024 ** 2,
  ],
])("boot disk of %j", (config, bytes) => {
  expect(bootDiskBytes(config)).toBe(bytes);
});
