/** Syncing between two simulated backup servers, in virtual time. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Method } from "../../../src/simulator/kernel";
import { type PbsRoute, performPbsCall } from "../../../src/simulator/pbs/calls";
import { pbsRoutes } from "../../../src/simulator/pbs/server";
import type { BackupServerState } from "../../../src/simulator/pbs/state";
import { Router } from "../../../src/simulator/router";
import { diskChecksum } from "../../../src/simulator/volumes";
import { createRig, type FinishedTask, type Rig } from "../guests/harness";
import { blockBytes, linkBytesPerSecond, secret, tokenId, twoSites } from "./sites";

const router = new Router<PbsRoute>(pbsRoutes);
let rig: Rig;

const server = (site: string): BackupServerState => rig.world.state.backupServers![`pbs-${site}`]!;

async function call(
  site: string,
  method: Method,
  path: string,
  parameters: Record<string, unknown> = {},
  authid = "root@pam",
): Promise<unknown> {
  const { route, pathVariables } = router.find(method, path)!;
  return (await performPbsCall(rig.world, { server: server(site), route, pathVariables, parameters, authid })).data;
}

async function run(
  site: string,
  method: Method,
  path: string,
  parameters: Record<string, unknown> = {},
  authid = "root@pam",
): Promise<FinishedTask> {
  const upid = (await call(site, method, path, parameters, authid)) as string;
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  await settle();
  while (rig.world.tasks.isRunning(upid) && (await rig.world.clock.advanceToNextTimer())) await settle();
  const { exitStatus, log } = server(site).tasks[upid]!;
  return { upid, exitStatus, log };
}

const volid = "local:100/vm-100-disk-0.raw";

/** VM 100 of `ams`, 30 of its 64 blocks filled, and `fra`'s server knows `ams`'s. */
beforeEach(async () => {
  rig = createRig({ layout: twoSites(), blockBytes });
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, memory: 64, scsi0: "local:0.0625" });
  rig.write("ams", "ams-1", volid, 0, 30);
  await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
  await call("fra", "POST", "/config/remote", { name: "ams", host: "pbs-ams", "auth-id": tokenId, password: secret });
});

async function backUp(): Promise<void> {
  expect((await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "pbs" })).exitStatus).toBe("OK");
}

const pull = { store: "main", ns: "arrivals", remote: "ams", "remote-store": "main", "remote-ns": "ams" };
const arrived = () => Object.keys(rig.world.state.backends["fra-store"]!.volumes);
const sentBlocks = (site: string, { upid }: FinishedTask) => (server(site).tasks[upid]!.traffic?.networkBytes ?? 0) / blockBytes;

describe("a pull", () => {
  test("brings the chunks the target lacks, over the link, at its speed", async () => {
    await backUp();
    const startedMs = rig.world.clock.nowMs();
    const first = await run("fra", "POST", "/pull", pull);
    expect(first.exitStatus).toBe("OK");
    expect(sentBlocks("fra", first)).toBe(30);
    expect((rig.world.clock.nowMs() - startedMs) / 1000).toBeGreaterThanOrEqual((30 * blockBytes) / linkBytesPerSecond);

    rig.write("ams", "ams-1", volid, 5, 2, "later");
    await backUp();
    const second = await run("fra", "POST", "/pull", pull);
    expect(sentBlocks("fra", second)).toBe(2);
    expect(second.log.some((line) => line.includes("re-sync snapshot"))).toBe(true);
    expect(arrived()).toHaveLength(2);
  });

  test("of nothing new sends nothing", async () => {
    await backUp();
    await run("fra", "POST", "/pull", pull);
    const again = await run("fra", "POST", "/pull", pull);
    expect(again.log.at(-3)).toContain("Summary: sync job found no new data to pull");
    expect(sentBlocks("fra", again)).toBe(0);
  });

  test("lets the other cluster restore what arrived", async () => {
    await backUp();
    await run("fra", "POST", "/pull", pull);
    const [key] = arrived();
    const archive = `arrivals:backup/${key!.split(":").slice(1).join(":")}`;
    const restored = await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive, storage: "local" });
    expect(restored.exitStatus).toBe("OK");
    expect(diskChecksum(rig.volume("fra", "fra-1", "local:300/vm-300-disk-0.raw").blocks)).toBe(
      diskChecksum(rig.volume("ams", "ams-1", volid).blocks),
    );
  });

  test("goes by filter, and by the newest", async () => {
    await backUp();
    rig.write("ams", "ams-1", volid, 0, 1, "later");
    await backUp();
    expect((await run("fra", "POST", "/pull", { ...pull, "group-filter": ["group:vm/101"] })).log.join()).toContain(
      "found 0 groups to sync (out of 1 total)",
    );
    expect(arrived()).toEqual([]);
    await run("fra", "POST", "/pull", { ...pull, "transfer-last": 1 });
    expect(arrived()).toHaveLength(1);
  });

  test("removes what has vanished only when told to, and nothing protected", async () => {
    await backUp();
    await run("fra", "POST", "/pull", pull);
    const source = rig.world.state.backends["ams-store"]!.volumes;
    const [old] = Object.keys(source);
    await backUp();
    delete source[old!];
    await run("fra", "POST", "/pull", pull);
    expect(arrived()).toHaveLength(2);
    const target = rig.world.state.backends["fra-store"]!.volumes;
    const copy = Object.keys(target).sort()[0]!;
    target[copy]!.protected = true;
    await run("fra", "POST", "/pull", { ...pull, "remove-vanished": true });
    expect(arrived()).toHaveLength(2);
    target[copy]!.protected = false;
    await run("fra", "POST", "/pull", { ...pull, "remove-vanished": true });
    expect(arrived()).not.toContain(copy);
  });

  test("fails where the remote's token may not read, the password is wrong or nobody answers", async () => {
    await backUp();
    server("ams").access.acl = server("ams").access.acl.filter(({ path }) => path !== "/datastore/main");
    expect((await run("fra", "POST", "/pull", pull)).log.join()).toContain("found 0 groups to sync (out of 0 total)");
    server("fra").remotes.ams!.password = "wrong";
    expect((await run("fra", "POST", "/pull", pull)).exitStatus).toContain("authentication failed");
    server("ams").down = true;
    expect((await run("fra", "POST", "/pull", pull)).exitStatus).toContain("Connection refused");
  });

  test("into somebody else's group fails for that group", async () => {
    await backUp();
    await run("fra", "POST", "/pull", pull);
    await backUp();
    const grants = { role: "DatastoreAdmin", propagate: true, authid: tokenId };
    server("fra").access.acl.push({ path: "/datastore/main", ...grants });
    const other = await run("fra", "POST", "/pull", pull, tokenId);
    expect(other.exitStatus).toBe("sync failed with some errors.");
    expect(other.log.join()).toContain(`owner check failed (${tokenId} != root@pam)`);
  });

  test("stopped, it keeps whole snapshots only", async () => {
    await backUp();
    const upid = (await call("fra", "POST", "/pull", pull)) as string;
    await rig.world.clock.advance(700);
    await rig.world.tasks.stop(upid);
    expect(server("fra").tasks[upid]!.exitStatus).toBe("sync aborted");
    expect(arrived()).toEqual([]);
  });
});

test("a push sends the same way", async () => {
  await backUp();
  await call("ams", "POST", "/config/remote", { name: "fra", host: "pbs-fra", "auth-id": tokenId, password: secret });
  const pushed = await run("ams", "POST", "/push", {
    store: "main",
    ns: "ams",
    remote: "fra",
    "remote-store": "main",
    "remote-ns": "arrivals",
  });
  expect(pushed.exitStatus).toBe("OK");
  expect(sentBlocks("ams", pushed)).toBe(30);
  expect(arrived()).toHaveLength(1);
});

describe("rights", () => {
  const nobody = "nobody@pbs";

  test("who may not see a datastore is not told that it exists", async () => {
    await expect(call("ams", "GET", "/admin/datastore/main/snapshots", {}, nobody)).rejects.toMatchObject({
      status: 403,
      message: "permission check failed",
    });
    await expect(call("ams", "GET", "/admin/datastore/other/snapshots", {}, nobody)).rejects.toMatchObject({ status: 403 });
    expect(await call("ams", "GET", "/admin/datastore", {}, nobody)).toEqual([]);
  });

  test("a token has no more than its user", async () => {
    const path = "/admin/datastore/main/snapshots";
    expect(await call("ams", "GET", path, { ns: "ams" }, tokenId)).toEqual([]);
    server("ams").access.acl = server("ams").access.acl.filter(({ authid }) => authid === tokenId);
    await expect(call("ams", "GET", path, { ns: "ams" }, tokenId)).rejects.toMatchObject({ status: 403 });
  });

  test("with Datastore.Backup alone one sees and changes one's own groups", async () => {
    await backUp();
    server("ams").access.acl = [{ path: "/datastore/main", authid: nobody, role: "DatastorePowerUser", propagate: true }];
    const path = "/admin/datastore/main/snapshots";
    expect(await call("ams", "GET", path, { ns: "ams" }, nobody)).toEqual([]);
    const [snapshot] = (await call("ams", "GET", path, { ns: "ams" })) as { "backup-time": number }[];
    const ref = { ns: "ams", "backup-type": "vm", "backup-id": "100", "backup-time": snapshot!["backup-time"] };
    await expect(call("ams", "DELETE", path, ref, nobody)).rejects.toThrow("backup owner check failed");
    await call("ams", "POST", "/admin/datastore/main/change-owner", { ...ref, "backup-time": undefined, "new-owner": nobody });
    expect(await call("ams", "GET", path, { ns: "ams" }, nobody)).toHaveLength(1);
  });

  test("bad parameters are named in one text", async () => {
    await expect(call("ams", "POST", "/config/sync", { id: "x", bogus: 1 })).rejects.toMatchObject({
      status: 400,
      message: expect.stringMatching(/^parameter verification errors\n\nparameter '/),
    });
  });
});

describe("maintenance", () => {
  test("garbage collection frees the chunks that no backup names", async () => {
    await backUp();
    const { volumes, chunks } = rig.world.state.backends["ams-store"]!;
    chunks.unused = true;
    expect((await run("ams", "POST", "/admin/datastore/main/gc")).exitStatus).toBe("OK");
    expect(Object.keys(chunks)).toHaveLength(30);
    for (const key of Object.keys(volumes)) delete volumes[key];
    await run("ams", "POST", "/admin/datastore/main/gc");
    expect(Object.keys(chunks)).toEqual([]);
  });

  test("verification finds a snapshot whose chunks are gone", async () => {
    await backUp();
    expect((await run("ams", "POST", "/admin/datastore/main/verify", { ns: "ams" })).exitStatus).toBe("OK");
    const { volumes, chunks } = rig.world.state.backends["ams-store"]!;
    delete chunks[Object.keys(chunks)[0]!];
    const [key] = Object.keys(volumes);
    const failed = await run("ams", "POST", "/admin/datastore/main/verify", { ns: "ams", "ignore-verified": false });
    expect(failed.exitStatus).toBe("verification failed - please check the log for details");
    expect(volumes[key!]!.verification?.state).toBe("failed");
    const [row] = (await rig.call("GET", "ams/nodes/ams-1/storage/pbs/content")) as { verification?: { state: string } }[];
    expect(row!.verification?.state).toBe("failed");
  });

  test("a backup into a namespace that nobody made fails", async () => {
    rig.cluster("ams").storages.pbs!.options.namespace = "nowhere";
    const task = await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "pbs" });
    expect(task.exitStatus).toBe("job errors");
    expect(task.log.join()).toContain("namespace not found");
  });
});
