import { afterAll, beforeAll, expect, test } from "vitest";
import { type Simulator, smallLayout, smallLayoutToken, startSimulator } from "../../src/simulator";
import { createRig } from "./guests/harness";
import { sendPlain } from "./http-client";

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ layout: smallLayout(), timeScale: 0, startMs: Date.UTC(2026, 0, 2, 3, 4, 5) });
});

afterAll(() => simulator.stop());

async function read(path: string): Promise<unknown> {
  const { endpoints, token } = simulator.clusters[0]!;
  const headers = { Authorization: `PVEAPIToken=${token!.id}=${token!.secret}` };
  const reply = await sendPlain(endpoints[0]!.url, { path: `/api2/json${path}`, headers });
  return reply.json?.data ?? reply.reason;
}

test("the certificate is the one the server shows", async () => {
  const [certificate] = (await read("/nodes/ams-1/certificates/info")) as Record<string, unknown>[];
  expect(certificate).toMatchObject({ filename: "pve-ssl.pem", fingerprint: simulator.clusters[0]!.fingerprint });
  expect(certificate!.pem).toContain("BEGIN CERTIFICATE");
  expect(certificate!.san).toEqual(["localhost", "127.0.0.1"]);
});

test("the clock is the simulator's", async () => {
  const seconds = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000;
  expect(await read("/nodes/ams-1/time")).toEqual({ time: seconds, localtime: seconds, timezone: "UTC" });
});

test("the load of the last minutes is what the guests made of it", async () => {
  await simulator.world.clock.advance(3 * 60_000);
  const cluster = simulator.world.state.clusters.ams!;
  cluster.guests[100] = {
    vmid: 100,
    node: "ams-1",
    config: { cores: "4", memory: "8192" },
    pending: {},
    snapshots: {},
    running: true,
    qmpStatus: "running",
  };
  await simulator.world.clock.advance(3 * 60_000);
  const rows = (await read("/nodes/ams-1/rrddata?timeframe=hour")) as { time: number; cpu?: number; memused?: number; maxcpu?: number }[];
  const known = rows.filter(({ cpu }) => cpu !== undefined);
  expect(rows).toHaveLength(70);
  expect(rows[1]!.time - rows[0]!.time).toBe(60);
  expect(known.length).toBeGreaterThanOrEqual(5);
  expect(known.at(-1)!.memused! - known[0]!.memused!).toBe(4 * 1024 ** 3);
  expect(known.at(-1)).toMatchObject({ maxcpu: 16, cpu: 0.025 });
  const day = (await read("/nodes/ams-1/rrddata?timeframe=day&cf=MAX")) as { cpu?: number }[];
  expect(day.at(-1)!.cpu).toBe(0.025);
});

test("local storages stand on disks", async () => {
  const disks = (await read("/nodes/ams-1/disks/list")) as { devpath: string; used: string; size: number }[];
  expect(disks.map(({ devpath, used }) => [devpath, used])).toEqual([
    ["/dev/nvme0n1", "mounted"],
    ["/dev/nvme1n1", "LVM"],
  ]);
});

test("the cluster's log shows one's own tasks", async () => {
  const rig = createRig();
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100 }, smallLayoutToken);
  const rows = (await rig.call("GET", "ams/cluster/log", { max: 1 })) as { msg: string; pri: number }[];
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({ pri: 6, msg: expect.stringMatching(/^end task UPID:ams-1:.*:qmcreate:100:.*: OK$/) });
  expect(await rig.call("GET", "ams/cluster/log", {}, "federation@pve!other")).toEqual([]);
});
