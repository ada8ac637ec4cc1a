import { afterEach, describe, expect, it } from "vitest";
import { isProxmoxError, type ProxmoxApi } from "../../src/proxmox";
import { type ApiServer, answer, refuse, startApiServer } from "./support/api-server";
import { rejection, testClient } from "./support/client";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const upid = "UPID:n1:0000634F:000CDD2A:6B028436:qmcreate:100:root@pam:";

type Reply = { data: unknown } | { status: number; text: string; errors?: Record<string, string> };

/** A client whose every call gets this answer, and what it asked. */
async function replying(reply: Reply): Promise<{ client: ProxmoxApi; api: ApiServer; asked: () => string }> {
  const api = await startApiServer((_request, response) =>
    "data" in reply ? answer(response, reply.data) : refuse(response, reply.status, reply.text, reply.errors),
  );
  const { client } = testClient([api]);
  stops.push(api.stop, () => client.close());
  const asked = (): string => {
    const { method, url, body } = api.requests.at(-1)!;
    return `${method} ${url.replace("/api2/json", "")}${body === "" ? "" : ` ${decodeURIComponent(body)}`}`;
  };
  return { client, api, asked };
}

describe("the cluster", () => {
  it("reads version, next vmid (a string) and permissions", async () => {
    expect(await (await replying({ data: { version: "9.2.11", release: "9.2", repoid: "x" } })).client.getVersion()).toEqual({
      version: "9.2.11",
      release: "9.2",
      major: 9,
      minor: 2,
    });
    expect(await (await replying({ data: "100" })).client.getNextVmid()).toBe(100);
    const permissions = { "/vms": { "VM.Audit": 1, "VM.Backup": "0" }, "/": {} };
    expect(await (await replying({ data: permissions })).client.getPermissions()).toEqual({
      "/vms": { "VM.Audit": true, "VM.Backup": false },
      "/": {},
    });
  });

  it("reads the status of a cluster and of a standalone node", async () => {
    const node = { type: "node", id: "node/n1", name: "n1", ip: "10.0.0.1", online: 1, local: 1, nodeid: 1, level: "" };
    const cluster = { type: "cluster", id: "cluster", name: "ca", quorate: 0, nodes: 2, version: 2 };
    const row = { name: "n1", ip: "10.0.0.1", online: true, local: true };
    expect(await (await replying({ data: [cluster, node] })).client.getClusterStatus()).toEqual({
      name: "ca",
      quorate: false,
      nodes: [row],
    });
    expect(await (await replying({ data: [node] })).client.getClusterStatus()).toEqual({ quorate: true, nodes: [row] });
  });

  it("reads resources of known kinds, with fields missing or as strings", async () => {
    const { client } = await replying({
      data: [
        { type: "qemu", id: "qemu/100", vmid: "100", node: "n1", status: "unknown", tags: "b;a", lock: "backup", pool: "team" },
        {
          type: "qemu",
          id: "qemu/101",
          vmid: 101,
          node: "n1",
          name: "web",
          status: "running",
          template: 0,
          maxcpu: 2,
          maxmem: "1024",
          cpu: 0.5,
          uptime: 9,
        },
        { type: "lxc", id: "lxc/110", vmid: 110, node: "n2", status: "stopped", template: 1, tags: "", hastate: "started" },
        { type: "node", id: "node/n1", node: "n1", status: "online", maxcpu: 4, mem: 5, maxmem: 6, level: "" },
        { type: "node", id: "node/n2", node: "n2", status: "weird" },
        {
          type: "storage",
          id: "storage/n1/local",
          storage: "local",
          node: "n1",
          status: "available",
          shared: "1",
          content: "iso,images",
          plugintype: "dir",
          disk: 1,
          maxdisk: 2,
        },
        { type: "pool", id: "/pool/team", pool: "team" },
        { type: "sdn", id: "sdn/n1/localnetwork", node: "n1", sdn: "localnetwork" },
        { type: "qemu", id: "qemu/broken" },
        "nonsense",
      ],
    });
    expect(await client.listResources()).toEqual([
      {
        kind: "guest",
        guestType: "qemu",
        vmid: 100,
        node: "n1",
        status: "unknown",
        template: false,
        tags: ["b", "a"],
        lock: "backup",
        pool: "team",
      },
      {
        kind: "guest",
        guestType: "qemu",
        vmid: 101,
        node: "n1",
        name: "web",
        status: "running",
        template: false,
        tags: [],
        maxCpu: 2,
        maxMemoryBytes: 1024,
        cpu: 0.5,
        uptimeSeconds: 9,
      },
      { kind: "guest", guestType: "lxc", vmid: 110, node: "n2", status: "stopped", template: true, tags: [], haState: "started" },
      { kind: "node", node: "n1", status: "online", maxCpu: 4, memoryBytes: 5, maxMemoryBytes: 6 },
      { kind: "node", node: "n2", status: "unknown" },
      {
        kind: "storage",
        storage: "local",
        node: "n1",
        status: "available",
        shared: true,
        content: ["iso", "images"],
        pluginType: "dir",
        usedBytes: 1,
        totalBytes: 2,
      },
      { kind: "pool", pool: "team" },
    ]);
  });

  it("reads storage definitions and keeps what it does not know", async () => {
    const row = { storage: "nfs", type: "nfs", content: "images,backup", nodes: "n1,n2", shared: 1, server: "10.0.0.9" };
    const { client } = await replying({ data: [row, { type: "broken" }] });
    expect(await client.listStorageDefinitions()).toEqual([
      { storage: "nfs", type: "nfs", content: ["images", "backup"], nodes: ["n1", "n2"], shared: true, raw: row },
    ]);
  });
});

describe("guests", () => {
  it("reads a configuration as strings, without the keys that are null", async () => {
    const { client } = await replying({ data: { digest: "abc", cores: 2, memory: "512", description: null, tags: "a;b", onboot: 0 } });
    expect(await client.qemu.getConfig("n1", 100)).toEqual({
      digest: "abc",
      values: { cores: "2", memory: "512", tags: "a;b", onboot: "0" },
    });
  });

  it("finds no configuration only when Proxmox says that its file is missing", async () => {
    const gone = await replying({ status: 500, text: "Configuration file 'nodes/n1/qemu-server/100.conf' does not exist" });
    expect(await gone.client.qemu.findConfig("n1", 100)).toBeUndefined();
    expect(isProxmoxError(await rejection(gone.client.qemu.getConfig("n1", 100)), "NOT_FOUND")).toBe(true);
    for (const text of ["hostname lookup 'n1' failed - failed to get address info", "storage 'x' does not exist", "unable to read file"]) {
      const { client } = await replying({ status: 500, text });
      await expect(client.qemu.findConfig("n1", 100)).rejects.toThrow(text);
    }
    const denied = await replying({ status: 403, text: "Permission check failed (/vms/100, VM.Audit)" });
    const error = await rejection(denied.client.qemu.findConfig("n1", 100));
    expect(isProxmoxError(error, "PERMISSION") && [error.aclPath, error.privileges, error.message]).toEqual([
      "/vms/100",
      ["VM.Audit"],
      expect.stringContaining("Grant VM.Audit on /vms/100"),
    ]);
  });

  it("lists pending changes only", async () => {
    const { client } = await replying({
      data: [
        { key: "memory", value: "512", pending: "1024" },
        { key: "cores", value: 2 },
        { key: "net1", value: "virtio", delete: 1 },
        { key: "template", pending: 1 },
      ],
    });
    expect(await client.qemu.listPending("n1", 100)).toEqual([
      { key: "memory", value: "512", pending: "1024", delete: false },
      { key: "net1", value: "virtio", delete: true },
      { key: "template", pending: "1", delete: false },
    ]);
  });

  it("reads the status with HA and agent", async () => {
    const { client } = await replying({
      data: {
        vmid: 100,
        status: "running",
        qmpstatus: "prelaunch",
        lock: "backup",
        uptime: "5",
        ha: { managed: 1, state: "started" },
        agent: 1,
      },
    });
    expect(await client.qemu.getStatus("n1", 100)).toEqual({
      vmid: 100,
      status: "running",
      qmpStatus: "prelaunch",
      lock: "backup",
      template: false,
      uptimeSeconds: 5,
      ha: { managed: true, state: "started" },
      agentEnabled: true,
    });
  });

  it("sends absolute sizes, and purge only when asked; never destroy-unreferenced-disks", async () => {
    const { client, asked, api } = await replying({ data: upid });
    await client.qemu.resizeDisk("n1", 100, "scsi0", 32 * 1024 ** 3);
    expect(asked()).toBe("PUT /nodes/n1/qemu/100/resize disk=scsi0&size=32G");
    await client.qemu.delete("n1", 100, {});
    expect(asked()).toBe("DELETE /nodes/n1/qemu/100");
    await client.qemu.delete("n1", 100, { purge: false });
    expect(asked()).toBe("DELETE /nodes/n1/qemu/100");
    await client.qemu.delete("n1", 100, { purge: true });
    expect(asked()).toBe("DELETE /nodes/n1/qemu/100?purge=1");
    await client.qemu.shutdown("n1", 100, { timeoutSeconds: 30, forceStop: true });
    expect(asked()).toBe("POST /nodes/n1/qemu/100/status/shutdown timeout=30&forceStop=1");
    expect(api.requests.map(({ url }) => url).join()).not.toContain("unreferenced");
  });

  it("answers undefined where Proxmox needed no task", async () => {
    const { client } = await replying({ data: null });
    expect(await client.qemu.startConfigUpdate("n1", 100, { memory: 1 })).toBeUndefined();
    expect(await client.qemu.resizeDisk("n1", 100, "scsi0", 1024)).toBeUndefined();
  });

  it("does not take something else for a UPID: the outcome of the change is unknown then", async () => {
    const { client } = await replying({ data: "done" });
    expect(isProxmoxError(await rejection(client.qemu.start("n1", 100)), "OUTCOME_UNKNOWN")).toBe(true);
  });

  it("takes a silent agent for no agent, and nothing else", async () => {
    for (const text of ["QEMU guest agent is not running", "No QEMU guest agent configured", "VM 100 is not running"]) {
      const { client } = await replying({ status: 500, text });
      expect(await client.qemu.pingAgent("n1", 100)).toBe(false);
      expect(await client.qemu.findAgentAddresses("n1", 100)).toBeUndefined();
    }
    const { client } = await replying({ status: 500, text: "Configuration file 'nodes/n1/qemu-server/100.conf' does not exist" });
    expect(isProxmoxError(await rejection(client.qemu.pingAgent("n1", 100)), "NOT_FOUND")).toBe(true);
    expect(await (await replying({ data: { result: {} } })).client.qemu.pingAgent("n1", 100)).toBe(true);
  });

  it("reads the agent's addresses without loopback", async () => {
    const card = (...addresses: string[]) => ({ name: "x", "ip-addresses": addresses.map((address) => ({ "ip-address": address })) });
    const { client } = await replying({ data: { result: [card("127.0.0.1", "::1"), card("10.0.0.5", "fe80::1"), { name: "down" }] } });
    expect(await client.qemu.findAgentAddresses("n1", 100)).toEqual(["10.0.0.5", "fe80::1"]);
  });

  it("reads what stands against a migration", async () => {
    const { client, asked } = await replying({
      data: {
        running: 0,
        allowed_nodes: ["n2"],
        local_disks: [{ volid: "d1:400/vm-400-disk-0.qcow2", drivename: "scsi0", size: 33554432, cdrom: 0 }],
        local_resources: [],
        not_allowed_nodes: { n3: { unavailable_storages: ["d1"] } },
      },
    });
    expect(await client.qemu.getMigratePreconditions("n1", 400, "n2")).toEqual({
      running: false,
      allowedNodes: ["n2"],
      localDisks: [{ volid: "d1:400/vm-400-disk-0.qcow2", driveName: "scsi0", sizeBytes: 33_554_432 }],
      localResources: [],
      notAllowedNodes: { n3: { unavailable_storages: ["d1"] } },
    });
    expect(asked()).toBe("GET /nodes/n1/qemu/400/migrate?target=n2");
  });
});

describe("storages and backups", () => {
  it("allocates in KiB, rounded up, and returns the volid", async () => {
    const { client, asked } = await replying({ data: "st1:140/vm-140-disk-0.raw" });
    expect(
      await client.storage.allocate("n1", "st1", { filename: "vm-140-disk-0.raw", vmid: 140, sizeBytes: 4 * 1024 ** 2 + 1, format: "raw" }),
    ).toBe("st1:140/vm-140-disk-0.raw");
    expect(asked()).toBe("POST /nodes/n1/storage/st1/content filename=vm-140-disk-0.raw&vmid=140&size=4097&format=raw");
  });

  it("finds a volume by its exact volid only", async () => {
    const rows = [
      { volid: "local:10/vm-10-disk-10.raw", format: "raw", size: 5, vmid: 10, content: "images" },
      { volid: "local:10/vm-10-disk-1.raw", format: "raw", size: "7", used: 3, vmid: 10, content: "images", parent: null },
      { volid: "local:10/vm-10-disk-2.raw", format: "raw", "approximate-size": 9 },
    ];
    const { client, asked } = await replying({ data: rows });
    expect(await client.storage.findVolume("n1", "local:10/vm-10-disk-1.raw")).toEqual({
      volid: "local:10/vm-10-disk-1.raw",
      format: "raw",
      sizeBytes: 7,
      usedBytes: 3,
      vmid: 10,
      content: "images",
      protected: false,
    });
    expect(asked()).toBe("GET /nodes/n1/storage/local/content");
    expect(await client.storage.findVolume("n1", "local:10/vm-10-disk-1")).toBeUndefined();
    expect((await client.storage.findVolume("n1", "local:10/vm-10-disk-2.raw"))?.sizeBytes).toBe(9);
    await client.storage.findVolume("n1", "pbs:backup/vm/100/2026-01-01T00:00:00Z");
    expect(asked()).toBe("GET /nodes/n1/storage/pbs/content?content=backup&vmid=100");
    await client.storage.findVolume("n1", "local:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst");
    expect(asked()).toBe("GET /nodes/n1/storage/local/content?content=backup&vmid=100");
  });

  it("names volumes encoded in the path", async () => {
    const { client, api } = await replying({ data: null });
    const volid = "local:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst";
    await client.storage.setVolumeAttributes("n1", volid, { protected: false });
    expect(await client.storage.deleteVolume("n1", volid)).toBeUndefined();
    const path = `/api2/json/nodes/n1/storage/local/content/${encodeURIComponent(volid)}`;
    expect(api.requests.map(({ method, url, body }) => [method, url, body])).toEqual([
      ["PUT", path, "protected=0"],
      ["DELETE", path, ""],
    ]);
  });

  it("tells a backup task from the OK of a node that does not have the guest", async () => {
    expect(await (await replying({ data: upid })).client.backup.start("n1", { vmid: 100, storage: "d1" })).toBe(upid);
    expect(await (await replying({ data: "OK" })).client.backup.start("n1", { vmid: 100, storage: "d1" })).toBeUndefined();
    const odd = await replying({ data: null });
    expect(isProxmoxError(await rejection(odd.client.backup.start("n1", { vmid: 100, storage: "d1" })), "OUTCOME_UNKNOWN")).toBe(true);
  });

  it("reads a storage's status; a missing one is not found", async () => {
    const data = { type: "dir", active: 1, enabled: "1", shared: 0, content: "iso,images", total: 10, used: "4", avail: 6 };
    expect(await (await replying({ data })).client.storage.getStatus("n1", "local")).toEqual({
      type: "dir",
      active: true,
      enabled: true,
      shared: false,
      content: ["iso", "images"],
      totalBytes: 10,
      usedBytes: 4,
      availableBytes: 6,
    });
    const { client } = await replying({ status: 400, text: "Parameter verification failed.", errors: { storage: "No such storage." } });
    const error = await rejection(client.storage.getStatus("n1", "nosuch"));
    expect(isProxmoxError(error, "NOT_FOUND") && [error.what, error.id]).toEqual(["storage", "nosuch"]);
  });
});

describe("pools", () => {
  it("finds a pool with guests and storages", async () => {
    const members = [
      { id: "qemu/180", type: "qemu", vmid: 180, node: "n1", status: "unknown" },
      { id: "storage/n1/d1", type: "storage", storage: "d1", node: "n1" },
    ];
    const { client, asked } = await replying({ data: [{ poolid: "a/b", comment: "first", members }] });
    expect(await client.pools.find("a/b")).toEqual({
      pool: "a/b",
      comment: "first",
      members: [{ kind: "guest", vmid: 180, node: "n1" }],
      storages: ["d1"],
    });
    expect(asked()).toBe("GET /pools?poolid=a%2Fb");
  });

  it.each([
    [500, "pool 'team' does not exist"],
    [403, "Permission check failed (pool 'team' does not exist)"],
  ])("takes %i %s for no pool", async (status, text) => {
    expect(await (await replying({ status, text })).client.pools.find("team")).toBeUndefined();
  });

  it("does not take a missing right for a missing pool", async () => {
    const { client } = await replying({ status: 403, text: "Permission check failed (/pool/team, Pool.Audit)" });
    expect(isProxmoxError(await rejection(client.pools.find("team")), "PERMISSION")).toBe(true);
    const other = await replying({ status: 500, text: "storage 'd1' does not exist" });
    expect(isProxmoxError(await rejection(other.client.pools.find("team")), "NOT_FOUND")).toBe(true);
  });

  it("adds guests, moving them only when told to", async () => {
    const { client, asked } = await replying({ data: null });
    await client.pools.addGuest("team", 100);
    expect(asked()).toBe("PUT /pools poolid=team&vms=100");
    await client.pools.addGuest("team", 100, { allowMove: true });
    expect(asked()).toBe("PUT /pools poolid=team&vms=100&allow-move=1");
    await client.pools.setComment("team", "");
    expect(asked()).toBe("PUT /pools poolid=team&comment=");
    await client.pools.delete("team");
    expect(asked()).toBe("DELETE /pools?poolid=team");
  });
});
