/** What an interrupted run has started is waited for before anything is decided. */
import { beforeEach, expect, it } from "vitest";
import type { GuestRef } from "../../src/migration";
import { awaitTasks } from "../../src/providers/tasks-under-way";
import { FakeCluster } from "../support/fake-cluster";
import { FakeWorld, type Fault } from "../support/fake-world";

let world: FakeWorld;
let guest: GuestRef;
beforeEach(() => {
  world = new FakeWorld();
  const api = new FakeCluster("a", world, { nodes: ["a1"], storages: { fast: {} } });
  api.addGuest({ vmid: 100, node: "a1", power: "stopped", config: { name: "web" } });
  guest = { api, node: "a1", vmid: 100 };
});

const waits = () => world.calls.filter(({ name }) => name === "tasks.wait").length;
const isRunning = async () => (await guest.api.tasks.list("a1", { vmid: 100, source: "active" })).length > 0;

async function addDisk(fault?: Fault): Promise<void> {
  world.fault = ({ name }) => (name === "qemu.startConfigUpdate" ? fault : undefined);
  await guest.api.qemu.startConfigUpdate("a1", 100, { scsi1: "fast:1" });
}

it.each<Fault | undefined>([undefined, "fail-task", "kill-task"])("a task is waited for, however it ends (%s)", async (fault) => {
  await addDisk(fault);
  expect(await isRunning()).toBe(true);
  await awaitTasks(guest, ["qmconfig", "resize"], world.pace);
  expect(await isRunning()).toBe(false);
  expect(waits()).toBe(1);
});

it("a task of another type is not waited for", async () => {
  await addDisk();
  await awaitTasks(guest, ["qmigrate"], world.pace);
  expect(waits()).toBe(0);
});
