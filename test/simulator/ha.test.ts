import { expect, test } from "vitest";
import { smallLayout } from "../../src/simulator";
import { startHaManagers } from "../../src/simulator/ha";
import { createRig, type Rig, token } from "./guests/harness";

/** `ams` with three nodes and a shared storage, and one guest on it. */
async function managedRig(): Promise<{ rig: Rig; stop: () => void }> {
  const layout = smallLayout();
  const ams = layout.clusters[0]!;
  ams.nodes.push({ name: "ams-3" });
  ams.storages.push({ storage: "shared", type: "nfs", backend: "nfs", content: ["images"] });
  const rig = createRig({ layout });
  const stop = startHaManagers(rig.world);
  await rig.run("POST", "ams/nodes/ams-1/qemu", { vmid: 100, name: "one", scsi0: "shared:0.0625" });
  return { rig, stop };
}

const status = async (rig: Rig, node = "ams-1") => (await rig.call("GET", `ams/nodes/${node}/qemu/100/status/current`)) as { ha: unknown };
/** Some rounds of the manager, with the workers they start. */
const rounds = (rig: Rig) => rig.world.clock.advance(60_000);

test("a resource is started and stopped by the manager, not by the call", async () => {
  const { rig, stop } = await managedRig();
  await rig.call("POST", "ams/cluster/ha/resources", { sid: "100", state: "stopped" });
  await rounds(rig);
  expect((await status(rig)).ha).toEqual({ managed: 1, state: "stopped" });
  const started = await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/start");
  expect(started.upid).toContain(":hastart:100:");
  expect(started.log).toEqual(["Requesting HA start for VM 100", "TASK OK"]);
  expect(rig.guest("ams", 100)!.running).toBe(false);
  await rounds(rig);
  expect(rig.guest("ams", 100)!.running).toBe(true);
  expect(Object.values(rig.cluster("ams").tasks).some(({ type, user }) => type === "qmstart" && user === "root@pam")).toBe(true);
  expect((await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/shutdown")).upid).toContain(":hastop:");
  await rounds(rig);
  expect(rig.guest("ams", 100)!.running).toBe(false);
  stop();
});

test("a guest that stops by itself is started again, one that is ignored is not", async () => {
  const { rig, stop } = await managedRig();
  await rig.call("POST", "ams/cluster/ha/resources", { sid: "vm:100" });
  await rounds(rig);
  const guest = rig.guest("ams", 100)!;
  Object.assign(guest, { running: false, qmpStatus: "stopped", runningConfig: undefined });
  await rounds(rig);
  expect(guest.running).toBe(true);
  await rig.call("PUT", "ams/cluster/ha/resources/vm:100", { state: "ignored" });
  expect((await status(rig)).ha).toEqual({ managed: 0 });
  expect((await rig.run("POST", "ams/nodes/ams-1/qemu/100/status/stop")).upid).toContain(":qmstop:");
  await rounds(rig);
  expect(guest.running).toBe(false);
  stop();
});

test("a migration is only asked for; the manager does it", async () => {
  const { rig, stop } = await managedRig();
  await rig.call("POST", "ams/cluster/ha/resources", { sid: "vm:100" });
  await rounds(rig);
  const asked = await rig.run("POST", "ams/nodes/ams-1/qemu/100/migrate", { target: "ams-2", online: 1 });
  expect(asked.upid).toContain(":hamigrate:100:");
  expect(rig.guest("ams", 100)!.node).toBe("ams-1");
  await rounds(rig);
  expect(rig.guest("ams", 100)).toMatchObject({ node: "ams-2", running: true });
  expect(await rig.call("POST", "ams/cluster/ha/resources/vm:100/migrate", { node: "ams-3" })).toEqual({
    sid: "vm:100",
    "requested-node": "ams-3",
  });
  await rounds(rig);
  expect(rig.guest("ams", 100)).toMatchObject({ node: "ams-3", running: true });
  stop();
});

test("guests of a node that is gone start elsewhere, where the rules allow", async () => {
  const { rig, stop } = await managedRig();
  await rig.call("POST", "ams/cluster/ha/resources", { sid: "vm:100" });
  await rig.call("POST", "ams/cluster/ha/rules", { rule: "home", type: "node-affinity", resources: "vm:100", nodes: "ams-1:2,ams-3:1" });
  await rounds(rig);
  const nodes = rig.cluster("ams").nodes;
  nodes["ams-1"]!.status = "offline";
  await rig.world.clock.advance(40_000);
  expect(rig.guest("ams", 100)!.node).toBe("ams-1");
  await rig.world.clock.advance(90_000);
  expect(rig.guest("ams", 100)).toMatchObject({ node: "ams-3", running: true });
  nodes["ams-1"]!.status = "online";
  await rounds(rig);
  expect(rig.guest("ams", 100)).toMatchObject({ node: "ams-1", running: true });
  stop();
});

test("a guest that cannot start is tried elsewhere and then left in error until it is disabled", async () => {
  const { rig, stop } = await managedRig();
  await rig.call("PUT", "ams/nodes/ams-1/qemu/100/config", { net0: "virtio,bridge=vmbr9" });
  await rig.call("POST", "ams/cluster/ha/resources", { sid: "vm:100" });
  await rig.world.clock.advance(10 * 60_000);
  expect(rig.cluster("ams").ha.services!["vm:100"]!.state).toBe("error");
  expect(rig.guest("ams", 100)!.node).not.toBe("ams-1");
  await expect(rig.call("PUT", "ams/cluster/ha/resources/vm:100", { state: "started" })).rejects.toThrow(
    "service 'vm:100' in error state, must be disabled and fixed first",
  );
  await rig.call("PUT", "ams/cluster/ha/resources/vm:100", { state: "disabled" });
  await rounds(rig);
  expect(rig.cluster("ams").ha.services!["vm:100"]!.state).toBe("stopped");
  stop();
});

test("a managed guest is deleted only with purge, which also clears its rules", async () => {
  const { rig, stop } = await managedRig();
  await rig.call("POST", "ams/cluster/ha/resources", { sid: "vm:100", state: "stopped" });
  await rig.call("POST", "ams/cluster/ha/rules", { rule: "home", type: "node-affinity", resources: "vm:100", nodes: "ams-1" });
  await expect(rig.call("DELETE", "ams/nodes/ams-1/qemu/100")).rejects.toThrow(
    "unable to remove VM 100 - used in HA resources and purge parameter not set.",
  );
  const deleted = await rig.run("DELETE", "ams/nodes/ams-1/qemu/100", { purge: 1 });
  expect(deleted.log).toContain("NOTE: removed VM 100 from HA resource configuration.");
  expect(await rig.call("GET", "ams/cluster/ha/resources")).toEqual([]);
  expect(await rig.call("GET", "ams/cluster/ha/rules")).toEqual([]);
  stop();
});

test("8 has groups and no rules, and configuration is for administrators", async () => {
  const { rig, stop } = await managedRig();
  await rig.call("POST", "fra/cluster/ha/groups", { group: "home", nodes: "fra-1:2" });
  expect(await rig.call("GET", "fra/cluster/ha/groups/home")).toMatchObject({ group: "home", nodes: "fra-1:2", type: "group" });
  await expect(rig.call("GET", "fra/cluster/ha/rules")).rejects.toThrow("no route");
  await expect(rig.call("GET", "ams/cluster/ha/groups")).rejects.toThrow("cannot index groups: ha groups have been migrated to rules");
  await expect(rig.call("POST", "ams/cluster/ha/resources", { sid: "vm:100" }, token)).rejects.toThrow(
    "Permission check failed (/, Sys.Console)",
  );
  stop();
});

test("the status names quorum, master, nodes and services", async () => {
  const { rig, stop } = await managedRig();
  await rig.call("POST", "ams/cluster/ha/resources", { sid: "vm:100" });
  const queued = (await rig.call("GET", "ams/cluster/ha/status/current")) as { id: string; state?: string }[];
  expect(queued.map(({ id }) => id)).toEqual(["quorum", "fencing", "service:vm:100"]);
  await rounds(rig);
  const rows = (await rig.call("GET", "ams/cluster/ha/status/current")) as { id: string; state?: string }[];
  expect(rows.map(({ id }) => id)).toEqual(["quorum", "master", "fencing", "lrm:ams-1", "lrm:ams-2", "lrm:ams-3", "service:vm:100"]);
  expect(rows.at(-1)).toMatchObject({ state: "started", crm_state: "started", request_state: "started" });
  stop();
});
