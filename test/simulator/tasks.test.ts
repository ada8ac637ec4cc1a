import { expect, test } from "vitest";
import { ApiError, type TaskContext } from "../../src/simulator/kernel";
import { buildFederationState } from "../../src/simulator/layout";
import { smallLayout } from "../../src/simulator/small-layout";
import type { TaskFault } from "../../src/simulator/tasks";
import { parseUpid } from "../../src/simulator/upid";
import { SimulatorWorld } from "../../src/simulator/world";

function setUp() {
  const state = buildFederationState(smallLayout(), { nowMs: 1_700_000_000_000, seed: 1, blockBytes: 2 ** 20 });
  const world = new SimulatorWorld({ state, timeScale: 0 });
  const cluster = state.clusters.ams!;
  const start = (work: (task: TaskContext) => Promise<void>, fault?: TaskFault, takeBack?: () => void) =>
    world.tasks.start(cluster, { type: "qmstart", id: "100", node: "ams-1", user: "root@pam", fault, takeBack }, work);
  return { world, cluster, start };
}

test("a worker's UPID tells node, start, type, id and user", () => {
  const { start } = setUp();
  const upid = start(async () => {});
  expect(upid).toMatch(/^UPID:ams-1:[0-9A-F]{8}:[0-9A-F]{8,9}:6553F100:qmstart:100:root@pam:$/);
  expect(parseUpid(upid)).toMatchObject({ node: "ams-1", startSeconds: 1_700_000_000, type: "qmstart", id: "100", user: "root@pam" });
});

test("a worker that returns ends OK, with its warnings counted", async () => {
  const { world, cluster, start } = setUp();
  const good = start(async (task) => {
    task.log("working");
    await task.pass(5_000);
  });
  const warned = start(async (task) => {
    task.warn("half done");
  });
  expect(cluster.tasks[good]?.exitStatus).toBeUndefined();
  await world.clock.advance(5_000);
  expect(cluster.tasks[good]).toMatchObject({ exitStatus: "OK", endMs: 1_700_000_005_000, log: ["working", "TASK OK"] });
  expect(cluster.tasks[warned]).toMatchObject({ exitStatus: "WARNINGS: 1", log: ["WARN: half done", "TASK WARNINGS: 1"] });
});

test("a worker's error is its exit status, in one line, with a status that is not 500 in front", async () => {
  const { world, cluster, start } = setUp();
  const plain = start(async () => {
    throw new Error("disk is full\nreally\n");
  });
  const denied = start(async () => {
    throw new ApiError(403, "Permission check failed (/vms/1, VM.Backup)");
  });
  await world.clock.advance(1);
  expect(cluster.tasks[plain]).toMatchObject({ exitStatus: "disk is full really", log: ["TASK ERROR: disk is full really"] });
  expect(cluster.tasks[denied]?.exitStatus).toBe("403 Permission check failed (/vms/1, VM.Backup)");
});

test("a stopped worker may clean up and says that it was interrupted", async () => {
  const { world, cluster, start } = setUp();
  const upid = start(async (task) => {
    try {
      await task.transfer(1e12, ["backend:nfs"]);
    } finally {
      task.log("cleaning up");
    }
  });
  await world.clock.advance(1_000);
  await world.tasks.stop(upid);
  expect(cluster.tasks[upid]).toMatchObject({
    exitStatus: "interrupted by signal",
    log: ["cleaning up", "TASK ERROR: interrupted by signal"],
  });
});

test("a killed worker leaves a log without end and no lock", async () => {
  const { world, cluster, start } = setUp();
  const upid = start(async (task) => {
    task.log("locking");
    const release = await world.holdGuestLock(cluster, 100);
    await task.pass(60_000);
    release();
  });
  await world.clock.advance(1_000);
  world.tasks.kill(upid);
  expect(cluster.tasks[upid]).toMatchObject({ exitStatus: "unexpected status", log: ["locking"] });
  expect(await world.withGuestLock(cluster, 100, () => "free")).toBe("free");
});

test("an ordered failure comes before or after the work, an ordered hang lasts until the stop", async () => {
  const { world, cluster, start } = setUp();
  let worked = 0;
  const work = async () => {
    worked += 1;
  };
  const before = start(work, { kind: "fails", exitStatus: "ordered", when: "before" });
  const after = start(work, { kind: "fails", exitStatus: "ordered", when: "after" });
  const hanging = start(work, { kind: "hangs" });
  await world.clock.advance(3_600_000);
  expect([cluster.tasks[before]?.exitStatus, cluster.tasks[after]?.exitStatus, worked]).toEqual(["ordered", "ordered", 1]);
  expect(world.tasks.isRunning(hanging)).toBe(true);
  await world.tasks.stop(hanging);
  expect(cluster.tasks[hanging]?.exitStatus).toBe("interrupted by signal");
});

test("a worker that fails or is stopped before its work takes back what the call did ahead, a killed or a later one does not", async () => {
  const { world, start } = setUp();
  const takenBack: string[] = [];
  const run = (name: string, fault: TaskFault) =>
    start(
      async () => {},
      fault,
      () => takenBack.push(name),
    );
  run("failed before", { kind: "fails", exitStatus: "ordered", when: "before" });
  run("failed after", { kind: "fails", exitStatus: "ordered", when: "after" });
  const [stopped, killed] = [run("stopped", { kind: "hangs" }), run("killed", { kind: "hangs" })];
  await world.clock.advance(1_000);
  await world.tasks.stop(stopped);
  world.tasks.kill(killed);
  await world.clock.advance(1_000);
  expect(takenBack).toEqual(["failed before", "stopped"]);
});

test("workers of a simulator that went down are found as killed", () => {
  const { world, cluster, start } = setUp();
  const upid = start((task) => task.pass(60_000));
  const saved = structuredClone(world.state);
  new SimulatorWorld({ state: saved, timeScale: 0 });
  expect(cluster.tasks[upid]?.exitStatus).toBeUndefined();
  expect(saved.clusters.ams?.tasks[upid]?.exitStatus).toBe("unexpected status");
});
