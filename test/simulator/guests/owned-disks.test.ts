import { describe, expect, test } from "vitest";
import { createRig, type Rig } from "./harness";

const node = "ams/nodes/ams-1";
const disk = "local:300/vm-300-pvc-data.raw";

/** Owner 300 with a disk of its own, workload 301 that has it attached. */
async function ownerAndWorkload(): Promise<Rig> {
  const rig = createRig();
  await rig.run("POST", `${node}/qemu`, { vmid: 300, memory: 16, name: "owner" });
  expect(await rig.call("POST", `${node}/storage/local/content`, { vmid: 300, filename: "vm-300-pvc-data.raw", size: "64M" })).toBe(disk);
  await rig.call("PUT", `${node}/qemu/300/config`, { scsi0: disk });
  await rig.run("POST", `${node}/qemu`, { vmid: 301, memory: 16, scsi0: "local:0.03125" });
  await rig.call("PUT", `${node}/qemu/301/config`, { scsi1: `${disk},backup=0` });
  return rig;
}

describe("a disk with an owner of its own", () => {
  test("allocating it twice is refused", async () => {
    const rig = await ownerAndWorkload();
    const again = rig.call("POST", `${node}/storage/local/content`, { vmid: 300, filename: "vm-300-pvc-data.raw", size: "64M" });
    await expect(again).rejects.toThrow("disk image '/var/lib/vz/images/300/vm-300-pvc-data.raw' already exists");
  });

  test("it is hot-plugged and unplugged on a running guest and outlives that guest", async () => {
    const rig = await ownerAndWorkload();
    await rig.run("POST", `${node}/qemu/301/status/start`);
    await rig.call("PUT", `${node}/qemu/301/config`, { delete: "scsi1" });
    expect(rig.guest("ams", 301)!.config).not.toHaveProperty("scsi1");
    expect(rig.guest("ams", 301)!.config).not.toHaveProperty("unused0");
    await rig.call("PUT", `${node}/qemu/301/config`, { scsi1: disk });
    expect(rig.guest("ams", 301)!.runningConfig!.scsi1).toBe(`${disk},size=64M`);
    await rig.run("POST", `${node}/qemu/301/status/stop`);
    const deleted = await rig.run("DELETE", `${node}/qemu/301`, { "destroy-unreferenced-disks": 1 });
    expect(deleted.exitStatus).toBe("OK");
    expect(rig.volume("ams", "ams-1", disk).sizeBytes).toBe(64 * 1024 * 1024);
  });

  test("nothing guards double use, except a template fence", async () => {
    const rig = await ownerAndWorkload();
    expect((await rig.run("POST", `${node}/qemu/301/status/start`)).exitStatus).toBe("OK");
    expect((await rig.run("POST", `${node}/qemu/300/status/start`)).exitStatus).toBe("OK");
    await rig.run("POST", `${node}/qemu/300/status/stop`);
    await rig.call("PUT", `${node}/qemu/300/config`, { template: 1, protection: 1 });
    expect((await rig.run("POST", `${node}/qemu/300/status/start`)).exitStatus).toBe("you can't start a vm if it's a template");
    await expect(rig.call("DELETE", `${node}/qemu/300`)).rejects.toThrow("can't remove VM 300 - protection mode enabled");
    expect(rig.guest("ams", 300)!.config.scsi0).toBe(`${disk},size=64M`);
  });

  test("deleting the owner takes the disk away under a running guest", async () => {
    const rig = await ownerAndWorkload();
    await rig.run("POST", `${node}/qemu/301/status/start`);
    expect((await rig.run("DELETE", `${node}/qemu/300`)).exitStatus).toBe("OK");
    expect(rig.guest("ams", 301)!.running).toBe(true);
    await rig.run("POST", `${node}/qemu/301/status/stop`);
    expect((await rig.run("POST", `${node}/qemu/301/status/start`)).exitStatus).toBe(`volume '${disk}' does not exist`);
  });

  test("any referrer can steal it with target-vmid", async () => {
    const rig = await ownerAndWorkload();
    await rig.run("POST", `${node}/qemu`, { vmid: 303, memory: 16 });
    const stolen = await rig.run("POST", `${node}/qemu/301/move_disk`, { disk: "scsi1", "target-vmid": 303 });
    expect(stolen.exitStatus).toBe("OK");
    expect(rig.guest("ams", 303)!.config.scsi1).toBe("local:303/vm-303-disk-0.raw,backup=0,size=64M");
    expect(rig.guest("ams", 300)!.config.scsi0).toBe(`${disk},size=64M`);
    expect(() => rig.volume("ams", "ams-1", disk)).toThrow(`volume '${disk}' does not exist`);
  });

  test("backup of the workload leaves it out only with backup=0, migration is refused", async () => {
    const rig = await ownerAndWorkload();
    const backup = await rig.run("POST", `${node}/vzdump`, { vmid: 301, storage: "nas" });
    expect(backup.log).toContain(`INFO: exclude disk 'scsi1' '${disk}' (backup=no)`);
    const moved = await rig.run("POST", `${node}/qemu/301/migrate`, { target: "ams-2" });
    expect(moved.exitStatus).toBe("migration aborted");
    expect(moved.log.join("\n")).toContain(`can't migrate local disk '${disk}': owned by other VM (owner = VM 300)`);
    expect(rig.guest("ams", 301)).toMatchObject({ node: "ams-1" });
    expect(rig.guest("ams", 301)!.config.lock).toBeUndefined();
  });

  test("growing it through the owner leaves the other config stale", async () => {
    const rig = await ownerAndWorkload();
    expect((await rig.run("PUT", `${node}/qemu/300/resize`, { disk: "scsi0", size: "+64M" })).exitStatus).toBe("OK");
    expect(rig.guest("ams", 300)!.config.scsi0).toBe(`${disk},size=128M`);
    expect(rig.guest("ams", 301)!.config.scsi1).toBe(`${disk},backup=0,size=64M`);
  });

  test("a volume nobody names survives its number's guest, unless unreferenced disks are destroyed", async () => {
    const rig = await ownerAndWorkload();
    await rig.call("POST", `${node}/storage/local/content`, { vmid: 300, filename: "vm-300-spare.raw", size: "1M" });
    await rig.call("PUT", `${node}/qemu/301/config`, { delete: "scsi1" });
    await rig.run("DELETE", `${node}/qemu/300`);
    expect(rig.volume("ams", "ams-1", "local:300/vm-300-spare.raw").vmid).toBe(300);
    await rig.run("POST", `${node}/qemu`, { vmid: 300, memory: 16 });
    await rig.run("DELETE", `${node}/qemu/300`, { "destroy-unreferenced-disks": 1 });
    expect(() => rig.volume("ams", "ams-1", "local:300/vm-300-spare.raw")).toThrow("does not exist");
  });
});

describe("deleting a guest", () => {
  test("takes its own ACL entries and its pool membership along", async () => {
    const rig = createRig();
    await rig.run("POST", `${node}/qemu`, { vmid: 300, memory: 16, pool: "federation" });
    rig.cluster("ams").access.acl.push({ path: "/vms/300", subject: "x@pve", kind: "user", role: "PVEVMAdmin", propagate: true });
    await rig.run("DELETE", `${node}/qemu/300`);
    expect(rig.cluster("ams").access.acl.filter((entry) => entry.path === "/vms/300")).toEqual([]);
    expect(rig.cluster("ams").pools.federation!.vms).toEqual([]);
    await expect(rig.call("DELETE", `${node}/qemu/300`)).rejects.toThrow(
      "Configuration file 'nodes/ams-1/qemu-server/300.conf' does not exist",
    );
  });

  test("lists what happened in the event log", async () => {
    const rig = createRig();
    await rig.run("POST", `${node}/qemu`, { vmid: 300, memory: 16, scsi0: "local:1" });
    await rig.run("POST", `${node}/qemu/300/status/start`);
    await rig.run("POST", `${node}/qemu/300/status/shutdown`);
    await rig.run("DELETE", `${node}/qemu/300`);
    const kinds = rig.world.events.map((event) => event.kind);
    for (const kind of ["created", "started", "stopped", "volume-freed", "destroyed"]) expect(kinds).toContain(kind);
  });
});

describe("the agent", () => {
  test("answers only when it is configured and the guest has been up for a while", async () => {
    const rig = createRig();
    await rig.run("POST", `${node}/qemu`, { vmid: 300, memory: 16, agent: 1, net0: "virtio=BC:24:11:01:02:03,bridge=vmbr0" });
    const ping = () => rig.call("POST", `${node}/qemu/300/agent/ping`);
    await expect(ping()).rejects.toThrow("VM 300 is not running");
    await rig.run("POST", `${node}/qemu/300/status/start`);
    await expect(ping()).rejects.toThrow("QEMU guest agent is not running");
    await rig.world.clock.advance(2_000);
    expect(await ping()).toEqual({ result: {} });
    const interfaces = (await rig.call("GET", `${node}/qemu/300/agent/network-get-interfaces`)) as {
      result: { name: string; "hardware-address": string }[];
    };
    expect(interfaces.result.map((card) => [card.name, card["hardware-address"]])).toEqual([
      ["lo", "00:00:00:00:00:00"],
      ["eth0", "bc:24:11:01:02:03"],
    ]);
  });
});
