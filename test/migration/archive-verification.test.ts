/** Before a live restore the backup server reads what will be restored: disturbed at every call, and with what it may find. */
import { beforeEach, describe, expect, it } from "vitest";
import { type MoveRequest, moveGuest, type Route, rollBackMove } from "../../src/migration";
import { sweepCalls } from "../support/call-sweep";
import { FakeBackupServer } from "../support/fake-backup-server";
import { FakeStore } from "../support/fake-backups";
import {
  attempt,
  attemptOrDie,
  flawsOfFinished,
  flawsOfRolledBack,
  IDENTITY,
  type MoveScenario,
  markOf,
  oneMoveScenarioAtATime,
  POOL,
  SOURCE_VMID,
} from "../support/move-scenario";

const begin = oneMoveScenarioAtATime();

interface Verified {
  scenario: MoveScenario;
  server: FakeBackupServer;
  /** What the target restores from. */
  store: FakeStore;
  changes: Partial<MoveRequest>;
}

/** One store with an API that both clusters use, or one at each site. */
function verified({ warm = true, synced = false } = {}): Verified {
  const scenario = begin({ warm, live: true });
  const { a, b, world, store: home, route } = scenario;
  const pbs = { type: "pbs", shared: true, totalBytes: 1e12, usedBytes: 0 };
  const store = synced ? new FakeStore() : home;
  Object.assign(a.storages, { "bk-a": { ...pbs, store: home, definition: { datastore: "main", namespace: "a" } } });
  Object.assign(b.storages, {
    "bk-b": { ...pbs, store: home, definition: { datastore: "main", namespace: "a" } },
    arrivals: { ...pbs, store, definition: { datastore: "main", namespace: "from-a" } },
  });
  const server = new FakeBackupServer(world, { datastore: "main", namespace: synced ? "from-a" : "a" }, home, store);
  const changed: Route = synced
    ? {
        ...route,
        verifiedBy: "vault-b",
        store: {
          name: "vault-a",
          type: "pbs",
          writeStorage: "bk-a",
          readStorage: "arrivals",
          sync: { store: "vault-b", remote: "vault-a" },
        },
      }
    : { ...route, verifiedBy: "vault" };
  return { scenario, server, store, changes: { route: changed, backupServerOf: async () => server } };
}

const move = ({ scenario, changes }: Verified) => attempt(scenario, changes);
const calls = ({ scenario }: Verified, name: string) => scenario.world.calls.filter((call) => call.name === name);
const flaws = ({ scenario, server, store }: Verified, of: typeof flawsOfFinished) => [
  ...of(scenario, { warm: true, live: true }),
  ...store.archives.map(({ notes }) => `snapshot "${notes}" is left`),
  ...server.verifications().map(({ upid }) => `${upid} still runs`),
];

/** Every archive that is written from now on is one that cannot be read. */
const rot = (now: Verified) =>
  now.scenario.world.addLaw(() => {
    for (const archive of now.store.archives) archive.rotten = true;
    return [];
  });

describe.each([
  ["one backup server", false],
  ["two backup servers", true],
])("a live restore by way of %s", (_what, synced) => {
  it.each(["kill", "kill-after", "refuse", "offline", "lose-reply", "fail-task"] as const)(
    "disturbed by %s at any call of its verification and run again, arrives once and leaves nothing",
    async (fault) => {
      let now: Verified;
      const found = await sweepCalls(
        fault,
        async () => {
          now = verified({ synced });
          return now.scenario.world;
        },
        () => moveGuest(now.scenario.request(now.changes), now.scenario.world.pace),
        () => flaws(now, flawsOfFinished),
      );
      expect(found).toEqual([]);
    },
  );

  it("is verified once, while the guest still serves", async () => {
    const now = verified({ synced });
    let servesMeanwhile = true;
    now.scenario.world.addLaw(() => {
      if (now.server.verifications().length > 0) servesMeanwhile &&= now.scenario.a.guests.get(SOURCE_VMID)?.power === "running";
      return [];
    });
    expect(await move(now)).toEqual({ ok: true });
    expect(calls(now, "snapshots.verify")).toHaveLength(1);
    expect(servesMeanwhile).toBe(true);
    expect(markOf(now.scenario.a, SOURCE_VMID)?.move?.verification).toBeUndefined();
  });

  it("is given up before anything is shut down when its backup turns out to be damaged", async () => {
    const now = verified({ synced });
    rot(now);
    let everDown = false;
    now.scenario.world.addLaw(() => {
      everDown ||= now.scenario.a.guests.get(SOURCE_VMID)?.power !== "running";
      return [];
    });
    expect(await move(now)).toMatchObject({ ok: false, error: { message: expect.stringMatching(/is damaged: .*verification/) } });
    expect(everDown).toBe(false);
    expect(flaws(now, flawsOfRolledBack)).toEqual([]);
  });

  it("of a cold move is verified before it begins: the guest comes back from a damaged one", async () => {
    const now = verified({ synced, warm: false });
    rot(now);
    expect(await move(now)).toMatchObject({ ok: false, error: { message: expect.stringMatching(/is damaged/) } });
    expect(flaws(now, flawsOfRolledBack)).toEqual([]);
    expect(now.scenario.world.calls.some(({ cluster, name }) => cluster === "b" && name === "qemu.start")).toBe(false);
  });

  it("that is given up while the server reads stops it there, and nothing is left", async () => {
    const now = verified({ synced });
    const { world, a, b } = now.scenario;
    world.fault = ({ name }) => (name === "snapshots.verify" ? "kill-after" : undefined);
    expect(await attemptOrDie(now.scenario, now.changes)).toBe("killed");
    world.fault = () => undefined;
    world.revive(1_000);
    expect(now.server.verifications()).toHaveLength(1);
    const source = { api: a, node: "a1", vmid: SOURCE_VMID };
    const { backupServerOf } = now.changes;
    await rollBackMove(
      { identity: IDENTITY, source, targetApi: b, targetPool: POOL, restart: true, ...(backupServerOf ? { backupServerOf } : {}) },
      world.pace,
    );
    expect(flaws(now, flawsOfRolledBack)).toEqual([]);
  });
});

describe("a live restore whose server", () => {
  let now: Verified;
  beforeEach(() => {
    now = verified();
  });

  it("may not be asked to verify goes on, and says so", async () => {
    now.server.rights = now.server.rights.filter((right) => right !== "Datastore.Verify");
    expect(await move(now)).toEqual({ ok: true });
    expect(calls(now, "snapshots.verify")).toEqual([]);
    expect(now.scenario.world.reports).toContainEqual(
      expect.stringMatching(/vault does not verify: .*Datastore\.Verify on \/datastore\/main\/a/),
    );
  });

  it("ends without a verdict is not begun", async () => {
    now.scenario.world.fault = ({ name }) => (name === "snapshots.verify" ? "fail-task" : undefined);
    expect(await move(now)).toMatchObject({ ok: false, error: { message: expect.stringMatching(/ended without a verdict/) } });
    now.scenario.world.fault = () => undefined;
    expect(flaws(now, flawsOfRolledBack)).toEqual([]);
  });

  it("has a verdict already is not asked again", async () => {
    now.scenario.world.addLaw(() => {
      for (const archive of now.store.archives) archive.verification = "ok";
      return [];
    });
    expect(await move(now)).toEqual({ ok: true });
    expect(calls(now, "snapshots.verify")).toEqual([]);
  });
});
