import { beforeEach, describe, expect, test } from "vitest";
import { createRig, type Rig, token, until } from "./harness";

let rig: Rig;
let archive: string;

/** VM 100 of `ams` is backed up; its 64 MiB disk has data in 40 blocks. */
beforeEach(async () => {
  rig = createRig();
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, memory: 64, name: "src", scsi0: "local:0.0625", description: "mark" });
  rig.write("ams", "ams-1", "local:100/vm-100-disk-0.raw", 0, 40);
  expect((await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "pbs" })).exitStatus).toBe("OK");
  const [key] = Object.keys(rig.world.state.backends.pbs!.volumes);
  archive = `pbs-ams:backup/${key!.split(":").slice(1).join(":")}`;
});

const begin = (params: Record<string, unknown> = {}) =>
  rig.begin("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive, storage: "nvme", ...params });
const guest = () => rig.guest("fra", 300)!;
const disk = () => rig.volume("fra", "fra-1", "nvme:vm-300-disk-0");

/** So slow that the restore is under way for as long as a test likes. */
const slowLink = () => {
  rig.cluster("fra").uplinkBytesPerSecond = 1e6;
};

describe("a restore from a datastore", () => {
  test("logs as the backup client does", async () => {
    const { log } = await rig.finish(await begin());
    expect(log.some((line) => line.startsWith("restore proxmox backup image: /usr/bin/pbs-restore "))).toBe(true);
    expect(log.some((line) => /^progress 50% \(read \d+ bytes, zeroes = 37% \(\d+ bytes\), duration \d+ sec\)$/.test(line))).toBe(true);
    expect(log.some((line) => /^restore image complete \(bytes=67108864, duration=\d+\.\d\ds, speed=\d+\.\d\dMB\/s\)$/.test(line))).toBe(
      true,
    );
  });

  test("keeps the create lock while data move; killed, it leaves the lock behind", async () => {
    slowLink();
    const upid = await begin();
    await until(rig, () => rig.task(upid).log.some((line) => line.startsWith("progress ")));
    expect(guest().config).toEqual({ memory: "128", lock: "create" });
    rig.world.tasks.kill(upid);
    await rig.finish(upid);
    expect(guest().config.lock).toBe("create");
    await expect(begin({ force: 1 })).rejects.toThrow("VM is locked (create)");
  });

  test("stopped, it leaves the one-line config without lock and no disk", async () => {
    slowLink();
    const upid = await begin();
    await until(rig, () => rig.task(upid).log.some((line) => line.startsWith("progress ")));
    await rig.world.tasks.stop(upid);
    expect(guest().config).toEqual({ memory: "128" });
    expect(Object.keys(rig.world.state.backends["fra-1-nvme"]!.volumes)).toEqual([]);
  });
});

describe("a live restore", () => {
  async function running(params: Record<string, unknown> = {}): Promise<string> {
    slowLink();
    const upid = await begin({ "live-restore": 1, ...params });
    await until(rig, () => guest().running);
    return upid;
  }

  test("has its whole config, locked, while data arrive, and only the lock goes at the end", async () => {
    const upid = await running({ tags: "fed", description: "ours", template: 0 });
    expect(guest().config).toMatchObject({ name: "src", tags: "fed", description: "ours", lock: "create" });
    await expect(rig.call("PUT", "fra/nodes/fra-1/qemu/300/config", { tags: "x" })).rejects.toThrow("can't lock file");
    const done = await rig.finish(upid);
    expect(done.exitStatus).toBe("OK");
    expect(done.log).toEqual(
      expect.arrayContaining([
        "starting VM for live-restore",
        "restoring 'drive-scsi0' to 'nvme:vm-300-disk-0'",
        "restore-drive-scsi0: stream-job finished",
        "TASK OK",
      ]),
    );
    expect(guest()).toMatchObject({ running: true, config: { name: "src", tags: "fed" } });
    expect(guest().config.lock).toBeUndefined();
  });

  test("that fails leaves a stopped guest on half a disk, with its config and without lock", async () => {
    const upid = await running();
    rig.write("fra", "fra-1", "nvme:vm-300-disk-0", 0, 1, "guest");
    await rig.world.tasks.stop(upid);
    const failed = rig.task(upid);
    expect(failed.exitStatus).toBe("live-restore failed");
    expect(failed.log.some((line) => line.startsWith("An error occurred during live-restore: "))).toBe(true);
    expect(failed.log.some((line) => line.includes("some or all disks were not completely restored"))).toBe(true);
    expect(guest()).toMatchObject({ running: false, config: { name: "src" } });
    expect(guest().config.lock).toBeUndefined();
    expect(Object.keys(disk().blocks)).toEqual(["0"]);
  });

  test("of a template is refused after the config was written", async () => {
    await rig.call("PUT", "ams/nodes/ams-1/qemu/100/config", { template: 1 });
    await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "pbs" });
    const newest = Object.keys(rig.world.state.backends.pbs!.volumes).sort().at(-1)!;
    archive = `pbs-ams:backup/${newest.split(":").slice(1).join(":")}`;
    const refused = await rig.finish(await begin({ "live-restore": 1 }));
    expect(refused.exitStatus).toBe("cannot do live-restore for template");
    const allowed = await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 301, archive, storage: "nvme", "live-restore": 1, template: 0 });
    expect(allowed.exitStatus).toBe("OK");
  });

  test("killed, it leaves the guest running and locked: a token cannot repair that", async () => {
    const upid = await running();
    rig.world.tasks.kill(upid);
    await rig.finish(upid);
    expect(guest()).toMatchObject({ running: true, config: { lock: "create" } });
    await expect(rig.call("PUT", "fra/nodes/fra-1/qemu/300/config", { delete: "lock" }, token)).rejects.toThrow(
      "only root can set 'lock' config",
    );
    expect((await rig.run("POST", "fra/nodes/fra-1/qemu/300/status/stop", {}, token)).exitStatus).toBe("VM is locked (create)");
  });
});
