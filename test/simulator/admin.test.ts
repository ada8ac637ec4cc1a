import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Simulator, smallLayout, startSimulator } from "../../src/simulator";
import { askAdmin } from "./admin-client";
import { sendPlain } from "./http-client";

let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator({ layout: smallLayout(), timeScale: 2_000 });
});

afterEach(() => simulator.stop());

const ask = (method: string, path: string, body?: unknown) => askAdmin(simulator.adminUrl, method, path, body);

function call(path: string, options: { method?: string; body?: Record<string, string | number>; cluster?: number; node?: number } = {}) {
  const cluster = simulator.clusters[options.cluster ?? 0]!;
  return sendPlain(cluster.endpoints[options.node ?? 0]!.url, {
    method: options.method,
    path: `/api2/json${path}`,
    headers: { Authorization: `PVEAPIToken=${cluster.token!.id}=${cluster.token!.secret}` },
    body: options.body,
  });
}

const createGuest = async (vmid: number) => {
  const reply = await call("/nodes/ams-1/qemu", { method: "POST", body: { vmid, name: `vm${vmid}`, memory: 512, scsi0: "nvme:1" } });
  expect(reply).toMatchObject({ status: 200 });
  const upid = String(reply.json?.data);
  while (simulator.world.tasks.isRunning(upid)) await simulator.world.clock.advance(1_000);
  return upid;
};

test("GET / explains the API, and only to local programs", async () => {
  expect(await ask("GET", "/")).toMatchObject({ status: 200, value: expect.stringContaining("POST   /faults") });
  const fromBrowser = await fetch(`${simulator.adminUrl}/state`, { headers: { Origin: "https://example.org" } });
  expect(fromBrowser.status).toBe(403);
  expect((await ask("GET", "/nothing")).status).toBe(404);
});

test("requests are counted by cluster and path template until they are reset", async () => {
  await call("/pools?poolid=federation");
  await call("/nodes/ams-1/status");
  await call("/version", { cluster: 1 });
  expect((await ask("GET", "/requests")).value).toEqual({
    total: 3,
    clusters: {
      ams: { total: 2, methods: { "GET /nodes/{node}/status": 1, "GET /pools": 1 } },
      fra: { total: 1, methods: { "GET /version": 1 } },
    },
  });
  await ask("DELETE", "/requests");
  expect((await ask("GET", "/requests")).value).toEqual({ total: 0, clusters: {} });
});

describe("a fault", () => {
  test("resets the connection before anything is done", async () => {
    await ask("POST", "/faults", { method: "POST", path: "/pools", action: { kind: "reset-before" } });
    await expect(call("/pools", { method: "POST", body: { poolid: "x" } })).rejects.toThrow();
    expect(simulator.world.state.clusters.ams!.pools.x).toBeUndefined();
  });

  test("loses the answer after everything is done", async () => {
    await ask("POST", "/faults", { method: "POST", path: "/pools", action: { kind: "reset-after-commit" } });
    await expect(call("/pools", { method: "POST", body: { poolid: "x" } })).rejects.toThrow();
    expect(simulator.world.state.clusters.ams!.pools.x).toBeDefined();
    expect(await call("/pools?poolid=x")).toMatchObject({ status: 200 });
  });

  test("hits the calls it is told to, on its cluster only", async () => {
    await ask("POST", "/faults", {
      cluster: "ams",
      path: "/version",
      at: 2,
      times: 2,
      action: { kind: "status", code: 596, reason: "Connection timed out" },
    });
    const seen: number[] = [];
    for (let index = 0; index < 5; index += 1) seen.push((await call("/version")).status);
    expect(seen).toEqual([200, 596, 596, 200, 200]);
    expect(await call("/version", { cluster: 1 })).toMatchObject({ status: 200 });
    expect((await ask("GET", "/faults")).value).toMatchObject([{ seen: 5, hits: 2 }]);
    await ask("DELETE", "/faults");
    expect((await ask("GET", "/faults")).value).toEqual([]);
  });

  test("gives a page instead of an answer, or takes the credentials for old", async () => {
    await ask("POST", "/faults", { path: "/version", action: { kind: "html" } });
    await ask("POST", "/faults", { path: "/nodes", action: { kind: "expire-ticket" } });
    expect(await call("/version")).toMatchObject({ status: 200, text: expect.stringContaining("<html>") });
    expect(await call("/nodes")).toMatchObject({ status: 401, reason: "Authentication failed!" });
  });

  test("makes the worker of a call fail", async () => {
    await ask("POST", "/faults", {
      path: "/nodes/{node}/qemu",
      method: "POST",
      action: { kind: "task-fails", exitStatus: "no space left" },
    });
    const upid = await createGuest(100);
    expect(simulator.world.state.clusters.ams!.tasks[upid]?.exitStatus).toBe("no space left");
  });

  test("that is not understood is refused with a reason", async () => {
    expect(await ask("POST", "/faults", { action: { kind: "explode" } })).toMatchObject({
      status: 400,
      value: { error: expect.stringContaining("action.kind") },
    });
    expect(await ask("POST", "/faults", { colour: "red", action: { kind: "html" } })).toMatchObject({ status: 400 });
  });
});

test("the clock is read, advanced and set", async () => {
  await ask("POST", "/clock", { timeScale: 0 });
  const before = (await ask("GET", "/clock")).value as { nowMs: number };
  await ask("POST", "/clock", { advanceMs: 3_600_000 });
  expect((await ask("GET", "/clock")).value).toMatchObject({ nowMs: before.nowMs + 3_600_000, timeScale: 0 });
});

describe("nodes and clusters", () => {
  test("that are offline refuse connections; others answer 595 for them", async () => {
    expect((await ask("POST", "/nodes/ams/ams-2", { status: "offline" })).status).toBe(200);
    await expect(call("/version", { node: 1 })).rejects.toThrow(/ECONNREFUSED/);
    expect(await call("/nodes/ams-2/status")).toMatchObject({ status: 595, reason: "No route to host", text: "" });
    await ask("POST", "/nodes/ams/ams-2", { status: "online" });
    expect(await call("/version", { node: 1 })).toMatchObject({ status: 200 });
  });

  test("without a majority of nodes refuse what changes the cluster's files", async () => {
    await ask("POST", "/nodes/ams/ams-2", { status: "offline" });
    expect(await call("/nodes/ams-1/qemu", { method: "POST", body: { vmid: 100 } })).toMatchObject({
      status: 500,
      reason: "cluster not ready - no quorum?",
    });
    expect(await call("/pools", { method: "POST", body: { poolid: "x" } })).toMatchObject({
      status: 500,
      reason: "create pool failed: cfs-lock 'file-user_cfg' error: no quorum!",
    });
    expect(await call("/cluster/nextid")).toMatchObject({ status: 200 });
  });

  test("that hang are 596 for others and carry out what they took when they wake up", async () => {
    await ask("POST", "/nodes/ams/ams-2", { status: "hanging" });
    expect(await call("/nodes/ams-2/status")).toMatchObject({ status: 596, reason: "Connection timed out" });
    const waiting = call("/pools", { node: 1, method: "POST", body: { poolid: "late" } });
    await simulator.world.clock.advance(60_000);
    expect(simulator.world.state.clusters.ams!.pools.late).toBeUndefined();
    await ask("POST", "/nodes/ams/ams-2", { status: "online" });
    expect(await waiting).toMatchObject({ status: 200 });
  });

  test("of a cluster that is down all refuse connections", async () => {
    await ask("POST", "/clusters/fra", { status: "down" });
    await expect(call("/version", { cluster: 1 })).rejects.toThrow(/ECONNREFUSED/);
    await ask("POST", "/clusters/fra", { status: "up" });
    expect(await call("/version", { cluster: 1 })).toMatchObject({ status: 200 });
    expect((await ask("POST", "/clusters/nope", { status: "up" })).status).toBe(404);
  });
});

test("a guest's writes show in the checksums, deterministically", async () => {
  await createGuest(100);
  const checksum = async () => {
    const all = (await ask("GET", "/checksums")).value as { volids: { volid: string }[]; sha256: string; blockCount: number }[];
    return all.find((disk) => disk.volids.some(({ volid }) => volid === "nvme:vm-100-disk-0"));
  };
  const empty = await checksum();
  expect(await ask("POST", "/guests/ams/100/write", { disk: "scsi0", blocks: 3 })).toMatchObject({
    status: 400,
    value: { error: expect.stringContaining("does not run") },
  });
  expect(await ask("POST", "/guests/ams/100/write", { disk: "scsi0", blocks: 3, force: true })).toMatchObject({ value: { blockCount: 3 } });
  const first = await checksum();
  expect(first?.sha256).not.toBe(empty?.sha256);
  await ask("POST", "/guests/ams/100/write", { disk: "scsi0", blocks: [1], seed: 2, force: true });
  expect((await checksum())?.sha256).not.toBe(first?.sha256);
  await ask("POST", "/guests/ams/100/write", { disk: "scsi0", blocks: [1], seed: 1, force: true });
  expect(await checksum()).toEqual(first);
  expect((await ask("POST", "/guests/ams/100/write", { disk: "scsi0", blocks: [5_000], force: true })).status).toBe(400);
});

test("guests, events and state are shown", async () => {
  await createGuest(100);
  expect((await ask("GET", "/guests")).value).toMatchObject([{ cluster: "ams", vmid: 100, node: "ams-1", name: "vm100", running: false }]);
  const events = (await ask("GET", "/events")).value as { sequence: number; kind: string }[];
  expect(events.map((event) => event.kind)).toContain("task-ended");
  expect((await ask("GET", `/events?after=${events.at(-1)!.sequence}`)).value).toEqual([]);
  expect((await ask("GET", "/state")).value).toHaveProperty("clusters.ams.guests.100");
});

test("a storage can be made full", async () => {
  expect(await ask("POST", "/storages/ams/local", { node: "ams-1", freeBytes: 1_000_000 })).toMatchObject({
    status: 200,
    value: { backend: "ams-1-local" },
  });
  const rows = (await call("/cluster/resources?type=storage")).json?.data as { id: string; disk: number; maxdisk: number }[];
  const row = rows.find((candidate) => candidate.id === "storage/ams-1/local")!;
  expect(row.maxdisk - row.disk).toBe(1_000_000);
});

test("a worker can be killed", async () => {
  await ask("POST", "/clock", { timeScale: 0 });
  const cluster = simulator.world.state.clusters.ams!;
  const upid = simulator.world.tasks.start(cluster, { type: "test", id: "", node: "ams-1", user: "root@pam" }, (task) => task.pass(60_000));
  expect((await ask("GET", "/tasks")).value).toEqual([upid]);
  await ask("POST", `/tasks/${encodeURIComponent(upid)}/kill`);
  expect(cluster.tasks[upid]?.exitStatus).toBe("unexpected status");
  expect((await ask("POST", `/tasks/${encodeURIComponent(upid)}/kill`)).status).toBe(404);
});
