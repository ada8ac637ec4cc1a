/** How long a guest is down while it moves, and how long the whole move takes, on the simulator's clock. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { MoveRecord } from "../../src/migration";
import type { EngineReplay } from "../support/engine-replay";
import { EXAMPLE_FEDERATION, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const PROD = "worldstream-prod";
const DR = "databarn-dr";
const LINK_BITS_PER_SECOND = 100e6;
/** Of 4 MiB: 2 GiB of data at first, twice that later. */
const BLOCKS = 500;

const program = [
  pool("production-pool"),
  vm("web-1", { cores: 1, memory: "1GiB", disks: [{ size: "16GiB" }], networks: [{ network: "lan" }], agent: true }),
];

/** Virtual milliseconds. */
interface Measured {
  record: MoveRecord;
  /** From the shutdown until the guest runs again. */
  downMs: number;
  /** From the first backup until the last byte is there and the guest runs. */
  totalMs: number;
  /** What the bytes of the move need on the slowest link. */
  linkMs: number;
  finalBackupMs: number;
}

describe("a VM of which 1 % changes while it moves", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;
  beforeAll(async () => {
    // The store stands beside the target: what crosses the link is what the source backs up.
    const example = parseDocument(await readFile(EXAMPLE_FEDERATION, "utf8"));
    example.setIn(["backup_stores", 0, "site"], DR);
    for (const cluster of [0, 1]) example.setIn(["clusters", cluster, "network", "cross_connects", 0, "bandwidth"], "100Mbps");
    federation = await startSimulatedFederation({ text: example.toString(), timeScale: 100 });
    stack = startStack(federation);
    await stack.up(program);
  });
  afterAll(async () => {
    await federation?.stop();
  });

  const tasksOf = (cluster: string) => Object.values(federation.simulator.world.state.clusters[cluster]!.tasks);
  const vmid = () => (stack.get("web-1").outputs as { vmid: number }).vmid;
  const place = () => (stack.get("web-1").outputs.placement as { cluster: string }).cluster;
  const write = (first: number, blocks: number, seed: string) =>
    federation.admin("POST", `/guests/${place()}/${vmid()}/write`, {
      disk: "scsi0",
      blocks: Array.from({ length: blocks }, (_, index) => first + index),
      seed,
    });

  function measure(record: MoveRecord): Measured {
    const all = [PROD, DR].flatMap(tasksOf);
    const own = record.upids.map((upid) => all.find((task) => task.upid === upid)!);
    const transfers = own.filter(({ type }) => type === "vzdump" || type === "qmrestore");
    const down = own.slice(own.findIndex(({ type }) => type === "qmshutdown"));
    // What lies between the tasks is this machine's time, not the simulated one's.
    const lastMs = (task: (typeof own)[number]) => {
      const started = runsSinceMs(record);
      return (record.liveRestore && task.type === "qmrestore" ? started : task.endMs!) - task.startMs;
    };
    const bytes = transfers.reduce((sum, { traffic }) => sum + (traffic?.byResource[`link:${DR}|${PROD}`] ?? 0), 0);
    return {
      record,
      downMs: down.reduce((sum, task) => sum + lastMs(task), 0),
      totalMs: own.reduce((sum, { startMs, endMs }) => sum + endMs! - startMs, 0),
      linkMs: (bytes * 8000) / LINK_BITS_PER_SECOND,
      finalBackupMs: down.filter(({ type }) => type === "vzdump").reduce((sum, task) => sum + lastMs(task), 0),
    };
  }

  function runsSinceMs({ to }: MoveRecord): number {
    return federation.simulator.world.state.clusters[to.cluster]!.guests[String(to.vmid)]!.startedAtMs!;
  }

  async function move(from: string, settings: Record<string, boolean>, whileWarm?: () => Promise<unknown>): Promise<Measured> {
    await federation.edit((text) => {
      const drained = setClusterStatus(
        setClusterStatus(text, PROD, from === PROD ? "draining" : "active"),
        DR,
        from === DR ? "draining" : "active",
      );
      const document = parseDocument(drained);
      for (const [key, value] of Object.entries(settings)) document.setIn(["migration_policies", "paths", 0, key], value);
      return document.toString();
    });
    const known = tasksOf(from).length;
    const moving = stack.up(program);
    const backsUp = () =>
      tasksOf(from)
        .slice(known)
        .some(({ type }) => type === "vzdump");
    const changes = whileWarm && expect.poll(backsUp, { timeout: 120_000, interval: 20 }).toBe(true).then(whileWarm);
    await Promise.all([moving, changes]);
    return measure(stack.get("web-1").outputs.lastMove as unknown as MoveRecord);
  }

  /** To the other site while 1 % changes, and back. */
  async function thereAndBack(settings: Record<string, boolean>, blocks: number, seed: string): Promise<Measured> {
    const measured = await move(PROD, settings, settings.warm ? () => write(0, blocks / 100, seed) : undefined);
    expect(place()).toBe(DR);
    await move(DR, {});
    expect(place()).toBe(PROD);
    return measured;
  }

  it("is down for what has changed, hardly for the size of its disk, and the move is as fast as the link", async () => {
    await write(0, BLOCKS, "installed");
    const small = await thereAndBack({ warm: true, live_restore: true }, BLOCKS, "first");
    await write(BLOCKS, BLOCKS, "more");
    const live = await thereAndBack({ warm: true, live_restore: true }, 2 * BLOCKS, "second");
    const warm = await thereAndBack({ warm: true, live_restore: false }, 2 * BLOCKS, "third");
    const cold = await move(PROD, { warm: false, live_restore: false });

    for (const { record } of [small, live]) expect(record).toMatchObject({ result: "moved", liveRestore: true });
    for (const { record } of [warm, cold]) expect(record.liveRestore).toBeUndefined();
    expect(live.downMs).toBeLessThanOrEqual(0.25 * cold.downMs);
    // Twice the data: what is left of it is the reading of the stopped guest's disk at the source.
    expect(live.downMs - small.downMs).toBeLessThanOrEqual(0.05 * (cold.downMs / 2));
    expect(live.totalMs).toBeLessThanOrEqual(1.15 * live.linkMs);
    // Without live_restore it is down for its restore too.
    expect(warm.finalBackupMs).toBeLessThanOrEqual(0.25 * cold.finalBackupMs);
    expect(warm.downMs).toBeGreaterThan(live.downMs);
    expect(warm.totalMs).toBeLessThanOrEqual(1.15 * warm.linkMs);
  });
});
