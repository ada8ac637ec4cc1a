/** A migration between two simulated clusters by the addresses and fingerprints that `startSimulator` gives out. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Simulator, smallLayout, startSimulator } from "../../src/simulator";
import { sendPlain } from "./http-client";

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ layout: smallLayout({ remoteMigration: true }), timeScale: 2_000 });
});

afterAll(() => simulator.stop());

const cluster = (id: string) => simulator.clusters.find((one) => one.id === id)!;

async function call(id: string, method: string, path: string, body?: Record<string, string | number>) {
  const { endpoints, token } = cluster(id);
  const headers = { Authorization: `PVEAPIToken=${token!.id}=${token!.secret}` };
  return sendPlain(endpoints[0]!.url, { method, path: `/api2/json${path}`, headers, ...(body === undefined ? {} : { body }) });
}

async function run(id: string, node: string, path: string, body: Record<string, string | number>): Promise<string> {
  const reply = await call(id, "POST", path, body);
  expect(reply.reason).toBe("OK");
  const upid = encodeURIComponent(String(reply.json?.data));
  for (;;) {
    const status = (await call(id, "GET", `/nodes/${node}/tasks/${upid}/status`)).json?.data as { status: string; exitstatus?: string };
    if (status.status === "stopped") return status.exitstatus ?? "";
  }
}

test("a running guest goes to the cluster behind an address on the loopback", async () => {
  const { endpoints, fingerprint, token } = cluster("fra");
  const { port } = new URL(endpoints[0]!.url);
  const params = { vmid: 100, name: "src", memory: 64, scsi0: "nvme:1", net0: "virtio,bridge=vmbr0" };
  expect(await run("ams", "ams-1", "/nodes/ams-1/qemu", params)).toBe("OK");
  expect(await run("ams", "ams-1", "/nodes/ams-1/qemu/100/status/start", {})).toBe("OK");
  const order = {
    "target-endpoint": `host=127.0.0.1,port=${port},apitoken=PVEAPIToken=${token!.id}=${token!.secret},fingerprint=${fingerprint}`,
    "target-vmid": 200,
    "target-storage": "nvme",
    "target-bridge": "vmbr0",
    online: 1,
    delete: 1,
  };
  expect(await run("ams", "ams-1", "/nodes/ams-1/qemu/100/remote_migrate", order)).toBe("OK");
  const moved = await call("fra", "GET", "/nodes/fra-1/qemu/200/status/current");
  expect(moved.json?.data).toMatchObject({ name: "src", status: "running" });
  const source = await call("ams", "GET", "/nodes/ams-1/qemu/100/config");
  expect(source.reason).toBe("Configuration file 'nodes/ams-1/qemu-server/100.conf' does not exist");
});

test("a cluster that is down cannot be reached", async () => {
  await fetch(`${simulator.adminUrl}/clusters/fra`, { method: "POST", body: JSON.stringify({ status: "down" }) });
  const { endpoints, fingerprint, token } = cluster("fra");
  const { port } = new URL(endpoints[0]!.url);
  await run("ams", "ams-1", "/nodes/ams-1/qemu", { vmid: 101 });
  const reply = await call("ams", "POST", "/nodes/ams-1/qemu/101/remote_migrate", {
    "target-endpoint": `host=127.0.0.1,port=${port},apitoken=PVEAPIToken=${token!.id}=${token!.secret},fingerprint=${fingerprint}`,
    "target-storage": "nvme",
    "target-bridge": "vmbr0",
  });
  expect(reply).toMatchObject({ status: 500, reason: `500 Can't connect to 127.0.0.1:${port} (Connection refused)` });
});
