import { describe, expect, test } from "vitest";
import { diskChecksum } from "../../../src/simulator/volumes";
import { createRig, type Rig, token, until } from "./harness";

/** A guest with a filled disk of 64 MiB on `ams-1`. */
async function guestWithData(rig: Rig, vmid = 100, extra: Record<string, unknown> = {}): Promise<string> {
  const created = await rig.run("POST", "ams/nodes/ams-1/qemu", {
    vmid,
    name: "src",
    memory: 64,
    scsi0: "local:0.0625",
    net0: "virtio,bridge=vmbr0",
    tags: "keep",
    description: "mark",
    ...extra,
  });
  expect(created.exitStatus).toBe("OK");
  const volid = `local:${vmid}/vm-${vmid}-disk-0.raw`;
  rig.write("ams", "ams-1", volid, 0, 40);
  return volid;
}

async function backUp(rig: Rig, params: Record<string, unknown>): Promise<string> {
  const before = new Set(archives(rig));
  const task = await rig.run("POST", "ams/nodes/ams-1/vzdump", params);
  expect(task.exitStatus).toBe("OK");
  return archives(rig).find((key) => !before.has(key))!;
}

const archives = (rig: Rig): string[] =>
  ["nfs", "pbs", "ams-1-local"].flatMap((backend) =>
    Object.entries(rig.world.state.backends[backend]!.volumes)
      .filter(([, volume]) => volume.content === "backup")
      .map(([key]) => key),
  );

describe("backup and restore across clusters", () => {
  test("a disk survives a directory store byte for byte", async () => {
    const rig = createRig();
    const source = await guestWithData(rig);
    const archive = await backUp(rig, { vmid: 100, storage: "nas", compress: "zstd" });
    const restored = await rig.run("POST", "fra/nodes/fra-1/qemu", {
      vmid: 300,
      archive: `nas:backup/${archive}`,
      storage: "nvme",
      pool: "federation",
    });
    expect(restored.exitStatus).toBe("OK");
    expect(diskChecksum(rig.volume("fra", "fra-1", "nvme:vm-300-disk-0").blocks)).toBe(
      diskChecksum(rig.volume("ams", "ams-1", source).blocks),
    );
    const [before, after] = [rig.guest("ams", 100)!.config, rig.guest("fra", 300)!.config];
    expect(after).toMatchObject({ name: "src", tags: "keep", description: "mark", net0: before.net0, smbios1: before.smbios1 });
    expect(after.vmgenid).not.toBe(before.vmgenid);
    expect(rig.cluster("fra").pools.federation!.vms).toEqual([300]);
  });

  test("a datastore gets only the chunks it does not have", async () => {
    const rig = createRig();
    const volid = await guestWithData(rig);
    await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
    await backUp(rig, { vmid: 100, storage: "pbs", mode: "snapshot" });
    const sent = () =>
      Object.values(rig.world.state.backends.pbs!.volumes).map((volume) => volume.archive!.writtenBytes / rig.world.blockBytes);
    expect(sent()).toEqual([40]);
    rig.write("ams", "ams-1", volid, 2, 3, "later");
    expect(Object.keys(rig.volume("ams", "ams-1", volid).dirty!)).toHaveLength(3);
    await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/shutdown");
    expect(rig.volume("ams", "ams-1", volid).dirty).toBeUndefined();
    const archive = await backUp(rig, { vmid: 100, storage: "pbs" });
    expect(sent()).toEqual([40, 3]);
    const restored = await rig.run("POST", "fra/nodes/fra-1/qemu", {
      vmid: 100,
      archive: `pbs-ams:backup/${archive.split(":").slice(1).join(":")}`,
      storage: "nvme",
    });
    expect(restored.exitStatus).toBe("OK");
    expect(diskChecksum(rig.volume("fra", "fra-1", "nvme:vm-100-disk-0").blocks)).toBe(
      diskChecksum(rig.volume("ams", "ams-1", volid).blocks),
    );
  });

  test("an archive holds the disk as it was when the backup began", async () => {
    const rig = createRig();
    const volid = await guestWithData(rig);
    await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
    const before = diskChecksum(rig.volume("ams", "ams-1", volid).blocks);
    const upid = await rig.begin("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "nas", bwlimit: 4096 });
    await until(rig, () => rig.task(upid).log.some((line) => line.includes("started backup task")));
    rig.write("ams", "ams-1", volid, 0, 5, "late");
    await rig.finish(upid);
    const archive = Object.values(rig.world.state.backends.nfs!.volumes).find((volume) => volume.content === "backup")!.archive!;
    expect(diskChecksum(archive.disks.scsi0!.blocks)).toBe(before);
    expect(rig.guest("ams", 100)!.config.lock).toBeUndefined();
  });

  test("a disk without backup becomes a line of the restored description", async () => {
    const rig = createRig();
    await guestWithData(rig, 100, { scsi1: "local:0.03125,backup=0" });
    const archive = await backUp(rig, { vmid: 100, storage: "nas" });
    await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive: `nas:backup/${archive}`, storage: "nvme" });
    const { config } = rig.guest("fra", 300)!;
    expect(config.scsi1).toBeUndefined();
    expect(config.description).toBe("mark\nscsi1: local:100/vm-100-disk-1.raw,backup=0,size=32M");
  });

  test("an archive of a fenced guest turns its disks into bases unless template=0 is given", async () => {
    const rig = createRig();
    await guestWithData(rig);
    await rig.call("PUT", "ams/nodes/ams-1/qemu/100/config", { template: 1 });
    expect((await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start")).exitStatus).toBe("you can't start a vm if it's a template");
    const archive = await backUp(rig, { vmid: 100, storage: "nas" });
    await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive: `nas:backup/${archive}`, storage: "local" });
    await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 301, archive: `nas:backup/${archive}`, storage: "local", template: 0 });
    expect(rig.guest("fra", 300)!.config.scsi0).toBe("local:300/base-300-disk-0.raw,size=64M");
    expect(rig.guest("fra", 301)!.config).toMatchObject({ scsi0: "local:301/vm-301-disk-0.raw,size=64M", template: "0" });
  });

  test("drive keys, protection, running guests and live restore from a file are refused as recorded", async () => {
    const rig = createRig();
    await guestWithData(rig, 100, { protection: 1 });
    const archive = `nas:backup/${await backUp(rig, { vmid: 100, storage: "nas" })}`;
    const restore = (params: Record<string, unknown>) => rig.run("POST", "ams/nodes/ams-1/qemu", { archive, storage: "local", ...params });
    await expect(restore({ vmid: 300, scsi5: "local:1" })).rejects.toMatchObject({
      status: 400,
      errors: { scsi5: "option conflicts with option 'archive'" },
    });
    await expect(restore({ vmid: 100 })).rejects.toThrow("unable to restore VM 100 - VM 100 already exists on node 'ams-1'");
    expect((await restore({ vmid: 100, force: 1 })).exitStatus).toBe("unable to restore VM 100 - - protection mode enabled");
    expect(rig.guest("ams", 100)!.config.lock).toBeUndefined();
    await rig.call("PUT", "ams/nodes/ams-1/qemu/100/config", { protection: 0 });
    await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
    expect((await restore({ vmid: 100, force: 1 })).exitStatus).toBe("unable to restore VM 100 - vm is running");
    const live = await restore({ vmid: 300, "live-restore": 1 });
    expect(live.exitStatus).toBe("live-restore is only compatible with backup images from a Proxmox Backup Server");
    expect(rig.guest("ams", 300)!.config).toEqual({});
  });

  test("a live restore runs the guest while its data arrive", async () => {
    const rig = createRig();
    const volid = await guestWithData(rig);
    const archive = await backUp(rig, { vmid: 100, storage: "pbs" });
    const upid = await rig.begin("POST", "fra/nodes/fra-1/qemu", {
      vmid: 300,
      archive: `pbs-ams:backup/${archive.split(":").slice(1).join(":")}`,
      storage: "nvme",
      "live-restore": 1,
      bwlimit: 8192,
    });
    await until(rig, () => rig.guest("fra", 300)!.running);
    expect(rig.world.tasks.isRunning(upid)).toBe(true);
    rig.write("fra", "fra-1", "nvme:vm-300-disk-0", 0, 1, "guest");
    expect((await rig.finish(upid)).exitStatus).toBe("OK");
    const { blocks } = rig.volume("fra", "fra-1", "nvme:vm-300-disk-0");
    expect(blocks[0]).toContain("guest-");
    expect(blocks[7]).toBe(rig.volume("ams", "ams-1", volid).blocks[7]);
  });
});

describe("what an interrupted restore leaves", () => {
  async function slowRestore(rig: Rig, params: Record<string, unknown> = {}): Promise<string> {
    await guestWithData(rig);
    const archive = await backUp(rig, { vmid: 100, storage: "nas" });
    const upid = await rig.begin("POST", "fra/nodes/fra-1/qemu", {
      vmid: 300,
      archive: `nas:backup/${archive}`,
      storage: "nvme",
      bwlimit: 2048,
      ...params,
    });
    await until(rig, () => rig.task(upid).log.some((line) => line.startsWith("progress ")));
    return upid;
  }
  const volumesOf = (rig: Rig) => Object.keys(rig.world.state.backends["fra-1-nvme"]!.volumes);

  test("during the data phase the config is one line and only the file lock protects it", async () => {
    const rig = createRig();
    const upid = await slowRestore(rig);
    expect(rig.guest("fra", 300)!.config).toEqual({ memory: "128" });
    await expect(rig.call("PUT", "fra/nodes/fra-1/qemu/300/config", { tags: "x" })).rejects.toThrow(
      "can't lock file '/var/lock/qemu-server/lock-300.conf' - got timeout",
    );
    await rig.finish(upid);
  });

  test("cancelled: memory: 128, no disks; the id stays taken", async () => {
    const rig = createRig();
    const upid = await slowRestore(rig);
    await rig.world.tasks.stop(upid);
    const { exitStatus, log } = rig.task(upid);
    expect(exitStatus).toMatch(/^command 'set -o pipefail && cstream .* failed: interrupted by signal$/);
    expect(log).toContain(
      "error before or during data restore, some or all disks were not completely restored. VM 300 state is NOT cleaned up.",
    );
    expect(rig.guest("fra", 300)!.config).toEqual({ memory: "128" });
    expect(volumesOf(rig)).toEqual([]);
  });

  test("killed: the disk stays and becomes unused when the restore is repeated with force", async () => {
    const rig = createRig();
    const upid = await slowRestore(rig);
    rig.world.tasks.kill(upid);
    await new Promise((resolve) => setImmediate(resolve));
    expect(rig.task(upid).exitStatus).toBe("unexpected status");
    expect(rig.guest("fra", 300)!.config).toEqual({ memory: "128" });
    expect(volumesOf(rig)).toEqual(["vm-300-disk-0"]);
    const archive = Object.keys(rig.world.state.backends.nfs!.volumes).find((key) => key.startsWith("vzdump"))!;
    const again = await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive: `nas:backup/${archive}`, storage: "nvme", force: 1 });
    expect(again.exitStatus).toBe("OK");
    expect(rig.guest("fra", 300)!.config).toMatchObject({
      scsi0: "nvme:vm-300-disk-1,size=64M",
      unused0: "nvme:vm-300-disk-0",
      tags: "keep",
    });
    expect((await rig.run("DELETE", "fra/nodes/fra-1/qemu/300")).exitStatus).toBe("OK");
    expect(volumesOf(rig)).toEqual([]);
  });

  test("an early failure of a forced restore keeps the claim with its mark; pool membership stays in any case", async () => {
    const rig = createRig();
    await guestWithData(rig);
    const archive = `nas:backup/${await backUp(rig, { vmid: 100, storage: "nas" })}`;
    await rig.run("POST", "fra/nodes/fra-1/qemu", {
      vmid: 300,
      name: "claim",
      memory: 16,
      tags: "mark",
      description: "block",
      pool: "federation",
    });
    const failed = await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive, storage: "nosuch", force: 1 });
    expect(failed.exitStatus).toMatch(/failed: storage 'nosuch' does not exist$/);
    expect(rig.guest("fra", 300)!.config).toMatchObject({ name: "claim", tags: "mark", description: "block" });
    expect(rig.guest("fra", 300)!.config.lock).toBeUndefined();
    const upid = await rig.begin("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive, storage: "nvme", force: 1, bwlimit: 2048 });
    await until(rig, () => rig.task(upid).log.some((line) => line.startsWith("progress ")));
    expect(rig.cluster("fra").pools.federation!.vms).toEqual([300]);
    await rig.finish(upid);
  });

  test("SDN.Use and an unknown storage are found only in the task", async () => {
    const rig = createRig();
    await guestWithData(rig);
    const archive = `nas:backup/${await backUp(rig, { vmid: 100, storage: "nas" })}`;
    const { acl } = rig.cluster("fra").access;
    acl.splice(
      acl.findIndex((entry) => entry.path.startsWith("/sdn")),
      1,
    );
    const failed = await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive, storage: "nvme" }, token);
    expect(failed.exitStatus).toBe("403 Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)");
    expect(rig.guest("fra", 300)!.config).toEqual({});
  });

  test("a second forced restore that gets the lock restores again", async () => {
    const rig = createRig();
    const upid = await slowRestore(rig);
    const archive = Object.keys(rig.world.state.backends.nfs!.volumes).find((key) => key.startsWith("vzdump"))!;
    await until(rig, () => rig.task(upid).log.some((line) => line.startsWith("progress 90%")));
    const second = rig.begin("POST", "fra/nodes/fra-1/qemu", { vmid: 300, archive: `nas:backup/${archive}`, storage: "nvme", force: 1 });
    const again = await rig.finish(await second);
    expect(rig.task(upid).exitStatus).toBe("OK");
    expect(again.exitStatus).toBe("OK");
    expect(rig.guest("fra", 300)!.config.scsi0).toBe("nvme:vm-300-disk-0,size=64M");
  });
});

describe("what an interrupted backup leaves", () => {
  async function slowBackup(rig: Rig): Promise<string> {
    await guestWithData(rig);
    const upid = await rig.begin("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "nas", bwlimit: 2048 });
    await until(rig, () => rig.task(upid).log.some((line) => line.includes("started backup task")));
    return upid;
  }

  test("while it runs: locked, and a start resumes the paused process", async () => {
    const rig = createRig();
    const upid = await slowBackup(rig);
    expect(rig.guest("ams", 100)).toMatchObject({ running: true, qmpStatus: "prelaunch", config: { lock: "backup" } });
    await expect(rig.call("PUT", "ams/nodes/ams-1/qemu/100/config", { description: "x" })).rejects.toThrow("VM is locked (backup)");
    await expect(rig.call("DELETE", "ams/nodes/ams-1/qemu/100")).rejects.toThrow("VM 100 is running - destroy failed");
    expect((await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start")).exitStatus).toBe("OK");
    const done = await rig.finish(upid);
    expect(done.log).toContain("INFO: kvm status changed after backup ('running') - keep VM running");
    expect(rig.guest("ams", 100)).toMatchObject({ running: true, qmpStatus: "running" });
  });

  test("cancelled: no lock, no archive, stopped again", async () => {
    const rig = createRig();
    const upid = await slowBackup(rig);
    await rig.world.tasks.stop(upid);
    expect(rig.task(upid).exitStatus).toBe("interrupted by signal");
    expect(rig.guest("ams", 100)).toMatchObject({ running: false });
    expect(rig.guest("ams", 100)!.config.lock).toBeUndefined();
    expect(archives(rig)).toEqual([]);
  });

  test("killed: the lock and the paused process stay; only a start works", async () => {
    const rig = createRig();
    const upid = await slowBackup(rig);
    rig.world.tasks.kill(upid);
    await new Promise((resolve) => setImmediate(resolve));
    expect(rig.guest("ams", 100)).toMatchObject({ running: true, qmpStatus: "prelaunch", config: { lock: "backup" } });
    await expect(rig.call("PUT", "ams/nodes/ams-1/qemu/100/config", { delete: "lock" }, token)).rejects.toThrow(
      "only root can set 'lock' config",
    );
    expect((await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/stop", {}, token)).exitStatus).toBe("VM is locked (backup)");
    expect((await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "nas" }, token)).exitStatus).toBe("job errors");
    expect((await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start", {}, token)).exitStatus).toBe("OK");
  });

  test("a second one on the node waits for the first", async () => {
    const rig = createRig();
    const first = await slowBackup(rig);
    await guestWithData(rig, 101);
    const second = await rig.begin("POST", "ams/nodes/ams-1/vzdump", { vmid: 101, storage: "nas" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(rig.task(second).log).toEqual(["INFO: trying to get global lock - waiting..."]);
    await rig.finish(second);
    expect(rig.task(first).exitStatus).toBe("OK");
    expect(rig.task(second).exitStatus).toBe("OK");
  });

  test("a full store: the partial archive is gone and the guest unlocked", async () => {
    const rig = createRig();
    await guestWithData(rig);
    rig.world.state.backends.nfs!.reservedBytes = rig.world.state.backends.nfs!.totalBytes - 8 * 1024 * 1024;
    const failed = await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "nas" });
    expect(failed.exitStatus).toBe("job errors");
    expect(failed.log).toContain("ERROR: Backup of VM 100 failed - vma_queue_write: write error - No space left on device");
    expect(archives(rig)).toEqual([]);
    expect(rig.guest("ams", 100)!.config.lock).toBeUndefined();
  });
});

describe("ordering a backup", () => {
  test("a guest of another node: OK without a worker; an id of nobody: a failing one", async () => {
    const rig = createRig();
    await guestWithData(rig);
    expect(await rig.call("POST", "ams/nodes/ams-2/vzdump", { vmid: 100, storage: "nas" })).toBe("OK");
    const nobody = await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 999, storage: "nas" });
    expect(nobody.exitStatus).toBe("job errors");
    expect(nobody.log).toContain("ERROR: Backup of VM 999 failed - unable to find VM '999'");
  });

  test("the sixth protected archive of a guest is refused for a token", async () => {
    const rig = createRig();
    await guestWithData(rig);
    for (let count = 0; count < 5; count += 1) {
      expect(
        (await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "nas", protected: 1, remove: 0 }, token)).exitStatus,
      ).toBe("OK");
    }
    const sixth = await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "nas", protected: 1, remove: 0 }, token);
    expect(sixth.log).toContain(
      "ERROR: Backup of VM 100 failed - The number of protected backups per guest is limited to 5 on storage 'nas'",
    );
  });

  test("retention prunes by number: another cluster's archives go too, protected ones stay", async () => {
    const rig = createRig();
    await guestWithData(rig);
    await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "nas" });
    await rig.run("POST", "ams/nodes/ams-1/vzdump", { vmid: 100, storage: "nas", protected: 1 });
    await rig.run("POST", "fra/nodes/fra-1/qemu", { vmid: 100, memory: 16, scsi0: "local:0.03125" });
    const task = await rig.run("POST", "fra/nodes/fra-1/vzdump", { vmid: 100, storage: "nas", "prune-backups": "keep-last=1" });
    expect(task.log.filter((line) => line.startsWith("INFO: removing backup"))).toHaveLength(1);
    const left = Object.values(rig.world.state.backends.nfs!.volumes).filter((volume) => volume.content === "backup");
    expect(left.map((volume) => volume.protected)).toEqual([true, false]);
  });
});
