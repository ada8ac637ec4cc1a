/** The product's client for backup servers against simulated ones. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { BackupServerApi, SyncJob } from "../../../src/proxmox";
import { createBackupServerClient } from "../../../src/proxmox";
import { type Simulator, startSimulator } from "../../../src/simulator";
import { askAdmin } from "../admin-client";
import { sendPlain } from "../http-client";
import { blockBytes, clientOf, secret, tokenId, twoSites } from "./sites";

let simulator: Simulator;
let ams: BackupServerApi;
let fra: BackupServerApi;

beforeAll(async () => {
  simulator = await startSimulator({ layout: twoSites(), timeScale: 1000, blockBytes });
  ams = clientOf(simulator, "ams");
  fra = clientOf(simulator, "fra");
});
afterAll(async () => {
  await Promise.all([ams.close(), fra.close()]);
  await simulator.stop();
});
beforeEach(() => askAdmin(simulator.adminUrl, "DELETE", "/faults"));

const amsMain = { datastore: "main", namespace: "ams" };
const arrivals = { datastore: "main", namespace: "arrivals" };

/** A backup of guest `vmid` of `ams`, straight into the datastore; `blocks` of its disk hold data. */
function putBackup(vmid: number, timeSeconds: number, blocks: number, site = "ams", namespace = site): void {
  const backend = simulator.world.state.backends[`${site}-store`]!;
  const name = `vm/${vmid}/${new Date(timeSeconds * 1000).toISOString().slice(0, 19)}Z`;
  const content = Object.fromEntries(Array.from({ length: blocks }, (_, index) => [index, `${vmid}-${index}`]));
  for (const chunk of Object.values(content)) backend.chunks[chunk] = true;
  backend.volumes[`${namespace}:${name}`] = {
    volname: `${namespace}:${name}`,
    vmid,
    format: "pbs-vm",
    sizeBytes: 64 * blockBytes,
    content: "backup",
    createdAtMs: timeSeconds * 1000,
    protected: false,
    blocks: {},
    archive: {
      config: "memory: 64\n",
      disks: { scsi0: { blocks: content, sizeBytes: 64 * blockBytes, format: "raw", storage: "local" } },
      writtenBytes: blocks * blockBytes,
    },
  };
}

const noon = Date.UTC(2026, 4, 1, 12) / 1000;

describe("version, space and identity", () => {
  test("are read with a token and with a password", async () => {
    const root = clientOf(simulator, "ams", "root");
    for (const client of [ams, root]) {
      expect(await client.getVersion()).toMatchObject({ version: "4.1", major: 4, minor: 1 });
      expect(await client.datastores.list()).toEqual([{ name: "main" }]);
    }
    await root.close();
    const usage = await ams.datastores.getUsage("main");
    expect(usage.totalBytes).toBe(usage.usedBytes + usage.availableBytes);
    expect(await ams.findInstanceId()).toMatch(/^[0-9a-f-]{36}$/);
    expect(await ams.findInstanceId()).not.toBe(await fra.findInstanceId());
  });

  test("a cluster's storage tells the same identity", async () => {
    const cluster = simulator.clusters.find(({ id }) => id === "ams")!;
    const login = await sendPlain(cluster.endpoints[0]!.url, {
      method: "POST",
      path: "/api2/json/access/ticket",
      body: { username: "root@pam", password: cluster.rootPassword },
    });
    const { ticket } = login.json!.data as { ticket: string };
    const identity = await sendPlain(cluster.endpoints[0]!.url, {
      path: "/api2/json/nodes/ams-1/storage/pbs/identity",
      headers: { Cookie: `PVEAuthCookie=${ticket}` },
    });
    expect(identity.json!.data).toEqual({ type: "pbs", id: await ams.findInstanceId() });
  });

  test("permissions say what the token holds where", async () => {
    const permissions = await ams.getPermissions();
    expect(permissions["/datastore/main"]).toMatchObject({ "Datastore.Read": true, "Datastore.Prune": true });
    expect(permissions["/datastore/main"]).not.toHaveProperty(["Datastore.Allocate"]);
    expect(permissions["/remote"]).toMatchObject({ "Remote.Modify": true });
  });

  test("a namespace is made with all that is above it, and again without harm", async () => {
    await ams.datastores.ensureNamespace({ datastore: "main", namespace: "moves/a/b" });
    await ams.datastores.ensureNamespace({ datastore: "main", namespace: "moves/a/b" });
    expect(await ams.datastores.listNamespaces("main")).toEqual(["ams", "arrivals", "moves", "moves/a", "moves/a/b"]);
  });
});

describe("snapshots", () => {
  test("are listed, marked, noted and deleted", async () => {
    putBackup(100, noon, 3);
    const ref = { type: "vm", id: "100", timeSeconds: noon } as const;
    const [found] = await ams.snapshots.list(amsMain, { id: "100" });
    expect(found).toMatchObject({ ...ref, owner: "root@pam", protected: false, files: expect.arrayContaining(["drive-scsi0.img.fidx"]) });
    const upid = await ams.snapshots.verify(amsMain, ref);
    await ams.tasks.wait(upid, { timeoutMs: 20_000 });
    expect((await ams.snapshots.find(amsMain, ref))?.verification).toBe("ok");
    const [task] = await ams.tasks.list({ typeFilter: "verify" });
    const time = ref.timeSeconds.toString(16).toUpperCase().padStart(8, "0");
    expect(task).toMatchObject({ upid, id: expect.stringMatching(new RegExp(`vm-${ref.id}-${time}$`)) });
    await ams.snapshots.setProtected(amsMain, ref, true);
    await ams.snapshots.setNotes(amsMain, ref, "first line\nsecond line");
    expect(await ams.snapshots.find(amsMain, ref)).toMatchObject({ protected: true, notes: "first line" });
    expect(await ams.snapshots.getNotes(amsMain, ref)).toBe("first line\nsecond line");
    await expect(ams.snapshots.delete(amsMain, ref)).rejects.toMatchObject({
      code: "REFUSED",
      proxmoxMessage: "cannot remove protected snapshot",
    });
    await ams.snapshots.setProtected(amsMain, ref, false);
    await ams.snapshots.delete(amsMain, ref);
    await ams.snapshots.delete(amsMain, ref);
    expect(await ams.snapshots.find(amsMain, ref)).toBeUndefined();
  });

  test("of a datastore that does not exist is an error, not an empty list", async () => {
    const root = clientOf(simulator, "ams", "root");
    await expect(root.snapshots.list({ datastore: "nowhere", namespace: "" })).rejects.toMatchObject({
      code: "NOT_FOUND",
      what: "datastore",
    });
    // Without rights there, nobody is told whether it exists.
    await expect(ams.snapshots.list({ datastore: "nowhere", namespace: "" })).rejects.toMatchObject({ code: "PERMISSION" });
    await root.close();
  });
});

describe("sync jobs", () => {
  const mark = "proxmox-federation: move";
  const job = (changes: Partial<SyncJob> = {}): SyncJob => ({
    id: "move-vm-200",
    local: arrivals,
    remote: "site-ams",
    far: amsMain,
    owner: tokenId,
    groupFilter: ["group:vm/200"],
    ...changes,
  });

  beforeAll(async () => {
    const { url, fingerprint } = simulator.backupServers.find(({ id }) => id === "pbs-ams")!;
    const port = Number(new URL(url).port);
    await fra.remotes.create({ name: "site-ams", host: "127.0.0.1", port, authId: tokenId, password: secret, fingerprint });
  });

  test("a remote is read back without its password", async () => {
    const remote = await fra.remotes.find("site-ams");
    expect(remote).toMatchObject({ host: "127.0.0.1", authId: tokenId });
    expect(JSON.stringify(remote)).not.toContain(secret);
    expect(await fra.remotes.find("nobody")).toBeUndefined();
  });

  test("are made, changed, run and removed under our mark", async () => {
    putBackup(200, noon, 10);
    putBackup(200, noon + 3600, 12);
    putBackup(201, noon, 5);
    await fra.syncJobs.ensure(job(), mark);
    await fra.syncJobs.ensure(job(), mark);
    await fra.syncJobs.ensure(job({ transferLast: 1 }), mark);
    expect(await fra.syncJobs.find("move-vm-200")).toMatchObject({ transferLast: 1, groupFilter: ["group:vm/200"], comment: mark });

    const upid = await fra.syncJobs.run("move-vm-200");
    const { log } = await fra.tasks.wait(upid, { timeoutMs: 20_000 });
    expect(log.join("\n")).toContain("found 1 groups to sync");
    const arrived = await fra.snapshots.list(arrivals);
    expect(arrived.map(({ id, timeSeconds, owner }) => [id, timeSeconds, owner])).toEqual([["200", noon + 3600, tokenId]]);
    expect(await fra.syncJobs.getState("move-vm-200")).toMatchObject({ lastRunUpid: upid, lastRunExitStatus: "OK" });

    await fra.syncJobs.delete("move-vm-200", mark);
    await fra.syncJobs.delete("move-vm-200", mark);
    expect(await fra.syncJobs.find("move-vm-200")).toBeUndefined();
  });

  test("of somebody else are neither changed nor removed", async () => {
    const theirs = { id: "theirs", store: "main", "remote-store": "main", remote: "site-ams", owner: tokenId, comment: "nightly" };
    await fra.request("POST", "/config/sync", theirs);
    await expect(fra.syncJobs.ensure(job({ id: "theirs" }), mark)).rejects.toMatchObject({ code: "REFUSED" });
    await expect(fra.syncJobs.delete("theirs", mark)).rejects.toMatchObject({ code: "REFUSED" });
    expect(await fra.syncJobs.find("theirs")).toMatchObject({ comment: "nightly" });
  });

  test("whose creation's answer is lost are found, not made twice", async () => {
    const fault = { cluster: "pbs-fra", method: "POST", path: "/config/sync", action: { kind: "reset-after-commit" } };
    await askAdmin(simulator.adminUrl, "POST", "/faults", fault);
    await fra.syncJobs.ensure(job({ id: "lost-answer" }), mark);
    expect(await fra.syncJobs.find("lost-answer")).toMatchObject({ comment: mark });
    await fra.syncJobs.delete("lost-answer", mark);
  });

  test("whose start's answer is lost run once, and the run is found", async () => {
    putBackup(202, noon, 4);
    await fra.syncJobs.ensure(job({ id: "lost-start", groupFilter: ["group:vm/202"] }), mark);
    const fault = { cluster: "pbs-fra", method: "POST", path: "/admin/sync/{id}/run", action: { kind: "reset-after-commit" } };
    await askAdmin(simulator.adminUrl, "POST", "/faults", fault);
    await fra.tasks.wait(await fra.syncJobs.run("lost-start"), { timeoutMs: 20_000 });
    const runs = await fra.tasks.list({ typeFilter: "syncjob" });
    expect(runs.filter(({ upid }) => upid.includes("lost"))).toHaveLength(1);
    await fra.syncJobs.delete("lost-start", mark);
  });

  test("that fail say why, with the end of the log", async () => {
    await fra.syncJobs.ensure(job({ id: "no-such-place", far: { datastore: "main", namespace: "nowhere" } }), mark);
    const upid = await fra.syncJobs.run("no-such-place");
    await expect(fra.tasks.wait(upid, { timeoutMs: 20_000 })).rejects.toMatchObject({
      code: "TASK_FAILED",
      exitStatus: expect.stringContaining("namespace not found"),
    });
    await fra.syncJobs.delete("no-such-place", mark);
  });
});

describe("errors", () => {
  test("name the server and never the secret", async () => {
    const { url, fingerprint } = simulator.backupServers[0]!;
    const wrong = createBackupServerClient({
      serverId: "vault",
      url,
      credentials: { kind: "token", tokenId, secret: "wrong-secret-1234" },
      tls: { fingerprint, verify: true },
      connectTimeoutMs: 5_000,
      requestTimeoutMs: 20_000,
    });
    const error = await wrong.getVersion().catch((reason: unknown) => reason as Error);
    expect(error).toMatchObject({ code: "AUTHENTICATION", message: expect.stringContaining("backup server vault, GET /version") });
    expect(String(error)).not.toContain("wrong-secret-1234");
    await wrong.close();
  });

  test("a certificate with another fingerprint is refused before anything is sent", async () => {
    const { url } = simulator.backupServers[0]!;
    const client = createBackupServerClient({
      serverId: "vault",
      url,
      credentials: { kind: "token", tokenId, secret },
      tls: { fingerprint: simulator.backupServers[1]!.fingerprint, verify: true },
      connectTimeoutMs: 5_000,
      requestTimeoutMs: 20_000,
    });
    await expect(client.getVersion()).rejects.toMatchObject({ code: "TLS_FINGERPRINT" });
    await client.close();
  });

  test("a server that is down is a connection error; its storages are inactive on the clusters", async () => {
    await askAdmin(simulator.adminUrl, "POST", "/backup-servers/pbs-fra", { status: "down" });
    await expect(fra.getVersion()).rejects.toMatchObject({ code: "CONNECTION" });
    const place = { world: simulator.world, cluster: simulator.world.state.clusters.fra!, node: "fra-1" };
    const { getBackend } = await import("../../../src/simulator/volumes/storages");
    expect(() => getBackend(place, place.cluster.storages.pbs!)).toThrow("pbs: error fetching datastores - 500 Can't connect to");
    await askAdmin(simulator.adminUrl, "POST", "/backup-servers/pbs-fra", { status: "up" });
    expect((await fra.getVersion()).major).toBe(4);
  });
});
