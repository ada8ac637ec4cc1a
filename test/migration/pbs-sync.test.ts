/** Moves by way of two backup servers, disturbed at every call. */
import { describe, expect, it } from "vitest";
import { moveGuest, type Route, rollBackMove } from "../../src/migration";
import { sweepCalls } from "../support/call-sweep";
import { FakeBackupServer } from "../support/fake-backup-server";
import { FakeStore } from "../support/fake-backups";
import {
  attempt,
  flawsOfFinished,
  flawsOfRolledBack,
  IDENTITY,
  type MoveScenario,
  oneMoveScenarioAtATime,
  POOL,
  SOURCE_VMID,
} from "../support/move-scenario";

const begin = oneMoveScenarioAtATime();

interface Sites {
  scenario: MoveScenario;
  server: FakeBackupServer;
  arrived: FakeStore;
  changes: Parameters<MoveScenario["request"]>[0];
}

/** The scenario's own store is that of cluster a; b has another one, under `arrivals`. */
function sites(warm: boolean): Sites {
  const scenario = begin({ warm });
  const { a, b, world, store } = scenario;
  const arrived = new FakeStore();
  const pbs = { type: "pbs", shared: true, totalBytes: 1e12, usedBytes: 0 };
  Object.assign(a.storages, { "bk-a": { ...pbs, store, definition: { datastore: "main", namespace: "a" } } });
  Object.assign(b.storages, { arrivals: { ...pbs, store: arrived, definition: { datastore: "main", namespace: "from-a" } } });
  const server = new FakeBackupServer(world, { datastore: "main", namespace: "from-a" }, store, arrived);
  const route: Route = {
    ...scenario.route,
    store: { name: "vault-a", type: "pbs", writeStorage: "bk-a", readStorage: "arrivals", sync: { store: "vault-b", remote: "vault-a" } },
  };
  return { scenario, server, arrived, changes: { route, backupServerOf: async () => server } };
}

const leftAt = ({ server, arrived }: Sites): string[] => [
  ...[...server.jobs.keys()].map((id) => `job ${id} is left`),
  ...arrived.archives.map(({ notes }) => `snapshot "${notes}" is left`),
];

describe.each([
  ["cold", false],
  ["warm", true],
])("a %s move by way of two backup servers", (_how, warm) => {
  it.each(["kill", "kill-after", "refuse", "offline", "lose-reply", "fail-task"] as const)(
    "disturbed by %s at any call and run again, arrives once and leaves nothing at either",
    async (fault) => {
      let now: Sites;
      const found = await sweepCalls(
        fault,
        async () => {
          now = sites(warm);
          return now.scenario.world;
        },
        () => moveGuest(now.scenario.request(now.changes), now.scenario.world.pace),
        () => [...flawsOfFinished(now.scenario), ...leftAt(now)],
      );
      expect(found).toEqual([]);
    },
  );

  it("whose sync fails is rolled back, and nothing is left at either", async () => {
    const now = sites(warm);
    now.scenario.world.fault = ({ name }) => (name === "syncJobs.run" ? "fail-task" : undefined);
    expect(await attempt(now.scenario, now.changes)).toMatchObject({ ok: false });
    expect([...flawsOfRolledBack(now.scenario), ...leftAt(now)]).toEqual([]);
  });
});

it("a rollback while the server still pulls stops it: nothing arrives later", async () => {
  const now = sites(false);
  const { world, a, b } = now.scenario;
  world.fault = ({ cluster, name }) => (cluster === "vault-b" && name === "tasks.wait" ? "kill" : undefined);
  expect(await attempt(now.scenario, now.changes)).toMatchObject({ ok: false });
  world.fault = () => undefined;
  world.revive(1_000);
  const source = { api: a, node: "a1", vmid: SOURCE_VMID };
  const { backupServerOf } = now.changes!;
  await rollBackMove({ identity: IDENTITY, source, targetApi: b, targetPool: POOL, restart: true, backupServerOf }, world.pace);
  world.advance(10 * 60_000);
  expect([...flawsOfRolledBack(now.scenario), ...leftAt(now)]).toEqual([]);
});

it("a snapshot of somebody else's at the target is neither protected nor removed", async () => {
  const now = sites(false);
  const foreign = { path: `backup/vm/${SOURCE_VMID}/2025-01-01T00:00:00Z`, vmid: SOURCE_VMID, notes: "nightly", protected: false };
  now.arrived.archives.push({ ...foreign, createdAtSeconds: Date.parse("2025-01-01T00:00:00Z") / 1000, config: {}, disks: [] });
  expect(await attempt(now.scenario, now.changes)).toEqual({ ok: true });
  expect(leftAt(now)).toEqual(['snapshot "nightly" is left']);
  expect(now.arrived.archives[0]).toMatchObject(foreign);
});

it("a journal that names a backup server nobody can reach is not given up", async () => {
  const now = sites(false);
  now.scenario.world.fault = ({ name }) => (name === "syncJobs.run" ? "kill-after" : undefined);
  expect(await attempt(now.scenario, now.changes)).toMatchObject({ ok: false });
  now.scenario.world.fault = () => undefined;
  now.scenario.world.revive(1_000);
  expect(await attempt(now.scenario, { ...now.changes, backupServerOf: undefined })).toMatchObject({
    ok: false,
    error: { message: expect.stringContaining("on backup store vault-b, and nobody here can reach its API") },
  });
  expect(await attempt(now.scenario, now.changes)).toEqual({ ok: true });
  expect([...flawsOfFinished(now.scenario), ...leftAt(now)]).toEqual([]);
});
