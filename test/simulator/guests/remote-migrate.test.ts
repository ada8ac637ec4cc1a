import { describe, expect, test } from "vitest";
import { smallLayout } from "../../../src/simulator";
import { diskChecksum } from "../../../src/simulator/volumes";
import { createRig, mebibyte, type Rig, token, until } from "./harness";

const fingerprint = Array.from({ length: 32 }, () => "AB").join(":");
const secret = "3a6cd1c5-0000-4000-8000-000000000001";

/** Two clusters; the token may take guests in on `fra`. */
function rigWithPeers(): Rig {
  const layout = smallLayout();
  for (const cluster of layout.clusters) {
    cluster.tokens = [{ tokenid: token, secret }];
    cluster.roles = { ...cluster.roles, Incoming: ["Sys.Audit", "Sys.Incoming"] };
    cluster.acl = [...(cluster.acl ?? []), { path: "/", role: "Incoming", subject: "federation@pve", propagate: false }];
  }
  const rig = createRig({ layout });
  for (const id of ["ams", "fra"]) rig.cluster(id).fingerprint = fingerprint;
  return rig;
}

const endpoint = (rig: Rig, extra: Record<string, string> = {}) => {
  const values = { host: rig.cluster("fra").nodes["fra-1"]!.ip, apitoken: `PVEAPIToken=${token}=${secret}`, fingerprint, ...extra };
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
};

const path = "ams/nodes/ams-1/qemu/100/remote_migrate";
const order = (rig: Rig, extra: Record<string, unknown> = {}) => ({
  "target-endpoint": endpoint(rig),
  "target-storage": "nvme",
  "target-bridge": "vmbr0",
  "target-vmid": 300,
  ...extra,
});

/** A guest with 40 of 64 MiB written on `ams-1`. */
async function createGuest(rig: Rig, disk = "nvme:0.0625", extra: Record<string, unknown> = {}): Promise<string> {
  const params = { vmid: 100, name: "src", memory: 64, scsi0: disk, net0: "virtio,bridge=vmbr0", tags: "keep", description: "mark" };
  const created = await rig.run("POST", "ams/nodes/ams-1/qemu", { ...params, ...extra });
  expect(created.exitStatus).toBe("OK");
  const volid = rig.guest("ams", 100)!.config.scsi0!.split(",")[0]!;
  rig.write("ams", "ams-1", volid, 0, 40);
  return volid;
}

const checksum = (rig: Rig, cluster: string, node: string, volid: string) => diskChecksum(rig.volume(cluster, node, volid).blocks);
const text = (log: readonly string[]) => log.join("\n");

describe("remote_migrate of a stopped guest", () => {
  test("carries disks and configuration over and leaves the source locked", async () => {
    const rig = rigWithPeers();
    const volid = await createGuest(rig);
    const task = await rig.run("POST", path, order(rig), token);
    expect(text(task.log)).toContain("migration finished successfully");
    expect(task.exitStatus).toBe("OK");
    const [source, target] = [rig.guest("ams", 100)!, rig.guest("fra", 300)!];
    expect(source).toMatchObject({ running: false, config: { lock: "migrate", name: "src" } });
    const { lock: _, ...config } = source.config;
    expect(target.config).toEqual({ ...config, scsi0: "nvme:vm-300-disk-0,size=64M" });
    expect(checksum(rig, "fra", "fra-1", "nvme:vm-300-disk-0")).toBe(checksum(rig, "ams", "ams-1", volid));
    expect(rig.cluster("fra").pools.federation!.vms).toEqual([]);
    const worker = Object.values(rig.cluster("fra").tasks).find(({ type }) => type === "qmtunnel");
    expect(worker).toMatchObject({ id: "300", user: token, exitStatus: "OK" });
  });

  test("takes as long as the slower end's link needs for the whole disk", async () => {
    const rig = rigWithPeers();
    await createGuest(rig);
    rig.cluster("fra").uplinkBytesPerSecond = mebibyte;
    const task = await rig.run("POST", path, order(rig));
    const { startMs, endMs } = rig.cluster("ams").tasks[task.upid]!;
    expect((endMs! - startMs) / 1000).toBeGreaterThanOrEqual(64);
    expect((endMs! - startMs) / 1000).toBeLessThan(70);
  });

  test("goes no faster than the slower side's limit, unless its token may change that limit", async () => {
    for (const [limits, expectedSeconds] of [
      [{ fra: "migration=1024" }, 64],
      [{ ams: "default=2048", fra: "restore=10" }, 32],
      [{ ams: "migration=2048", fra: "migration=4096" }, 32],
    ] as const) {
      const rig = rigWithPeers();
      await createGuest(rig);
      for (const [id, limit] of Object.entries(limits)) rig.cluster(id).options.bwlimit = limit;
      const task = await rig.run("POST", path, order(rig));
      const { startMs, endMs } = rig.cluster("ams").tasks[task.upid]!;
      expect(Math.round((endMs! - startMs) / 1000)).toBeGreaterThanOrEqual(expectedSeconds);
      expect(Math.round((endMs! - startMs) / 1000)).toBeLessThan(expectedSeconds + 5);
    }
  });

  test("deletes the source when asked to, and only then", async () => {
    const rig = rigWithPeers();
    const volid = await createGuest(rig);
    expect((await rig.run("POST", path, order(rig, { delete: 1 }))).exitStatus).toBe("OK");
    expect(rig.guest("ams", 100)).toBeUndefined();
    expect(() => rig.volume("ams", "ams-1", volid)).toThrow("does not exist");
    expect(rig.guest("fra", 300)!.config.lock).toBeUndefined();
  });

  test.each([
    [
      "a file format that the target storage does not have",
      "local:0.0625,format=qcow2",
      "unsupported format 'qcow2' for storage type lvmthin",
    ],
  ])("fails with %s and leaves nothing behind", async (_, disk, reason) => {
    const rig = rigWithPeers();
    const volid = await createGuest(rig, disk);
    const before = { config: { ...rig.guest("ams", 100)!.config }, checksum: checksum(rig, "ams", "ams-1", volid) };
    const task = await rig.run("POST", path, order(rig));
    expect(task.exitStatus).toBe("migration aborted");
    expect(text(task.log)).toContain(`error - tunnel command 'disk-import' failed - failed to handle 'disk-import' command - ${reason}`);
    expect(rig.guest("ams", 100)!.config).toEqual(before.config);
    expect(checksum(rig, "ams", "ams-1", volid)).toBe(before.checksum);
    expect(rig.guest("fra", 300)).toBeUndefined();
    expect(Object.keys(rig.world.state.backends["fra-1-nvme"]!.volumes)).toEqual([]);
  });

  test("sends QCOW2 to a directory as QCOW2", async () => {
    const rig = rigWithPeers();
    const volid = await createGuest(rig, "local:0.0625,format=qcow2");
    expect((await rig.run("POST", path, order(rig, { "target-storage": "local" }))).exitStatus).toBe("OK");
    expect(checksum(rig, "fra", "fra-1", "local:300/vm-300-disk-0.qcow2")).toBe(checksum(rig, "ams", "ams-1", volid));
  });

  test("refuses snapshots, ISO images and volumes of other guests", async () => {
    const rig = rigWithPeers();
    await createGuest(rig);
    await rig.run("POST", "ams/nodes/ams-1/qemu/100/snapshot", { snapname: "one" });
    const task = await rig.run("POST", path, order(rig));
    expect(text(task.log)).toContain("can't migrate local disk 'nvme:vm-100-disk-0': remote migration with snapshots not supported yet");
    expect(task.exitStatus).toBe("migration aborted");
    expect(rig.guest("ams", 100)!.config.lock).toBeUndefined();
    expect(rig.guest("fra", 300)).toBeUndefined();
  });

  test("a full target keeps the source and frees what was made", async () => {
    const rig = rigWithPeers();
    await createGuest(rig);
    const backend = rig.world.state.backends["fra-1-nvme"]!;
    backend.reservedBytes = backend.totalBytes - 8 * mebibyte;
    const task = await rig.run("POST", path, order(rig));
    expect(text(task.log)).toContain("disk import failed - see log above");
    expect(rig.guest("ams", 100)!.config.lock).toBeUndefined();
    expect(Object.keys(backend.volumes)).toEqual([]);
  });
});

describe("remote_migrate of a running guest", () => {
  test("never lets both copies run and brings what was written meanwhile", async () => {
    const rig = rigWithPeers();
    const volid = await createGuest(rig);
    await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
    rig.cluster("fra").uplinkBytesPerSecond = mebibyte;
    const upid = await rig.begin("POST", path, order(rig, { online: 1 }));
    await until(rig, () => rig.task(upid).log.some((line) => line.includes("mirror-scsi0: transferred 16.0")));
    rig.write("ams", "ams-1", volid, 50, 3, "late");
    rig.write("ams", "ams-1", volid, 0, 1, "late");
    const task = await rig.finish(upid);
    expect(task.exitStatus).toBe("OK");
    expect(rig.guest("ams", 100)).toMatchObject({ running: false, config: { lock: "migrate" } });
    expect(rig.guest("fra", 300)).toMatchObject({ running: true, qmpStatus: "running" });
    expect(rig.guest("fra", 300)!.config.lock).toBeUndefined();
    expect(checksum(rig, "fra", "fra-1", "nvme:vm-300-disk-0")).toBe(checksum(rig, "ams", "ams-1", volid));
    const power = rig.world.events.filter(({ kind }) => kind === "started" || kind === "stopped");
    expect(power.map(({ kind, detail }) => [kind, detail.cluster])).toEqual([
      ["started", "ams"],
      ["stopped", "ams"],
      ["started", "fra"],
    ]);
  });

  test("turns QCOW2 into what the target storage has", async () => {
    const rig = rigWithPeers();
    await createGuest(rig, "local:0.0625,format=qcow2");
    await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
    expect((await rig.run("POST", path, order(rig, { online: 1 }))).exitStatus).toBe("OK");
    expect(rig.guest("fra", 300)!.config.scsi0).toBe("nvme:vm-300-disk-0,format=raw,size=64M");
  });

  test("is refused without `online`", async () => {
    const rig = rigWithPeers();
    await createGuest(rig);
    await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
    await expect(rig.call("POST", path, order(rig))).rejects.toThrow("can't migrate running VM without --online");
  });

  test("goes on here when the target goes away in the middle", async () => {
    const rig = rigWithPeers();
    await createGuest(rig);
    await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
    rig.cluster("fra").uplinkBytesPerSecond = mebibyte;
    const upid = await rig.begin("POST", path, order(rig, { online: 1 }));
    await until(rig, () => rig.task(upid).log.some((line) => line.includes("mirror-scsi0: transferred 16.0")));
    rig.cluster("fra").down = true;
    rig.world.announceNodeChange();
    const task = await rig.finish(upid);
    expect(task.exitStatus).toBe("migration problems");
    expect(text(task.log)).toContain("online migrate failure - the connection is lost");
    expect(rig.guest("ams", 100)).toMatchObject({ running: true, qmpStatus: "running" });
    expect(rig.guest("ams", 100)!.config.lock).toBeUndefined();
    // What the target has is the other side's to clean up: nobody could reach it.
    expect(rig.guest("fra", 300)!.config.lock).toBe("migrate");
  });

  test("a stopped worker cleans up on both sides, a killed one on neither", async () => {
    for (const [end, source, target] of [
      ["stop", undefined, undefined],
      ["kill", "migrate", "migrate"],
    ] as const) {
      const rig = rigWithPeers();
      await createGuest(rig);
      await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
      rig.cluster("fra").uplinkBytesPerSecond = mebibyte;
      const upid = await rig.begin("POST", path, order(rig, { online: 1 }));
      await until(rig, () => rig.task(upid).log.some((line) => line.includes("mirror-scsi0: transferred 16.0")));
      void rig.world.tasks[end](upid);
      await rig.finish(upid);
      await until(rig, () => rig.world.tasks.listRunning("fra").length === 0);
      expect(rig.guest("ams", 100)).toMatchObject({ running: true });
      expect(rig.guest("ams", 100)!.config.lock).toBe(source);
      expect(rig.guest("fra", 300)?.config.lock).toBe(target);
    }
  });
});

describe("remote_migrate is refused", () => {
  test.each<[string, Record<string, string>, string]>([
    ["for a wrong fingerprint", { fingerprint: fingerprint.replaceAll("AB", "CD") }, `fingerprint '${fingerprint}' not verified, abort!`],
    ["for an unknown token", { apitoken: "PVEAPIToken=federation@pve!other=x" }, "401 Authentication failed!"],
    ["for an address where nobody is", { host: "192.0.2.7" }, "500 Can't connect to 192.0.2.7:8006 (No route to host)"],
    ["for a port where nobody listens", { port: "9" }, ":9 (Connection refused)"],
  ])("%s", async (_, extra, reason) => {
    const rig = rigWithPeers();
    await createGuest(rig);
    await expect(rig.call("POST", path, order(rig, { "target-endpoint": endpoint(rig, extra) }))).rejects.toThrow(reason);
  });

  test("without the target token's rights, in the call or in the worker", async () => {
    const rig = rigWithPeers();
    await createGuest(rig);
    const { access } = rig.cluster("fra");
    const roles = access.roles;
    const attempt = async (privileges: string[], without: string[] = []) => {
      roles.Incoming = privileges;
      roles.FederationGuests = roles.FederationGuests!.filter((privilege) => !without.includes(privilege));
      try {
        const task = await rig.run("POST", path, order(rig));
        return `${task.exitStatus}: ${text(task.log)}`;
      } catch (error) {
        return String((error as Error).message);
      }
    };
    expect(await attempt([])).toBe("403 Permission check failed (/, Sys.Audit)");
    expect(await attempt(["Sys.Audit"])).toMatch(/migration aborted: .*403 Permission check failed \(\/, Sys\.Incoming\)/s);
    expect(await attempt(["Sys.Audit", "Sys.Incoming"], ["VM.Config.Network"])).toMatch(
      /migration aborted: .*'config' command - Permission check failed \(\/vms\/300, VM\.Config\.Network\)/s,
    );
    expect(await attempt(["Sys.Audit", "Sys.Incoming"], ["VM.Allocate"])).toMatch(
      /403 Permission check failed \(\/vms\/300, VM\.Allocate\)/,
    );
    expect(rig.guest("ams", 100)!.config.lock).toBeUndefined();
    expect(rig.guest("fra", 300)).toBeUndefined();
  });

  test("when the number is taken, naming the guest's node", async () => {
    const rig = rigWithPeers();
    await createGuest(rig);
    await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 300 });
    const task = await rig.run("POST", path, order(rig));
    expect(text(task.log)).toContain("vmid: unable to create empty VM config - VM 300 already exists on node 'fra-1'");
    expect(task.exitStatus).toBe("migration aborted");
    expect(rig.guest("ams", 100)!.config.lock).toBeUndefined();
  });

  test("for a storage or a bridge that the target does not have", async () => {
    const rig = rigWithPeers();
    await createGuest(rig);
    const storage = await rig.run("POST", path, order(rig, { "target-storage": "elsewhere" }));
    expect(text(storage.log)).toContain("500 storage 'elsewhere' does not exist");
    const bridge = await rig.run("POST", path, order(rig, { "target-bridge": "vmbr0:vmbr7" }));
    expect(text(bridge.log)).toContain("500 bridge 'vmbr7' does not exist");
  });

  test("for maps that say nothing or too much", async () => {
    const rig = rigWithPeers();
    await createGuest(rig);
    await expect(rig.call("POST", path, order(rig, { "target-storage": "1" }))).rejects.toThrow("requires explicit storage mapping!");
    await expect(rig.call("POST", path, order(rig, { "target-storage": "nvme,local" }))).rejects.toMatchObject({
      errors: { "target-storage": "failed to parse storage map: default target ID can only be provided once.\n" },
    });
  });
});
