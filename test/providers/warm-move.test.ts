/** What a warm move saves: the time a guest is down, on the simulator's clock. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { MoveRecord } from "../../src/migration";
import type { EngineReplay } from "../support/engine-replay";
import { EXAMPLE_FEDERATION, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const BLOCKS = 2000;
const program = [
  pool("production-pool"),
  vm("web-1", { cores: 1, memory: "1GiB", disks: [{ size: "16GiB" }], networks: [{ network: "lan" }], agent: true }),
];

describe("a VM of which 1 % changes while it moves", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;
  beforeAll(async () => {
    // The store stands beside the target: what crosses the link is what the source backs up.
    const example = parseDocument(await readFile(EXAMPLE_FEDERATION, "utf8"));
    example.setIn(["backup_stores", 0, "site"], "databarn-dr");
    federation = await startSimulatedFederation({ text: example.toString(), timeScale: 100 });
    stack = startStack(federation);
    await stack.up(program);
  });
  afterAll(async () => {
    await federation?.stop();
  });

  const write = (cluster: string, vmid: number, blocks: number, seed: string) =>
    federation.admin("POST", `/guests/${cluster}/${vmid}/write`, { disk: "scsi0", blocks, seed });

  /** Virtual milliseconds of each task from the shutdown to the start, by type. */
  function downtimeMs({ upids }: MoveRecord): Record<string, number> {
    const tasks = Object.values(federation.simulator.world.state.clusters).flatMap((cluster) => Object.values(cluster.tasks));
    const own = upids.map((upid) => tasks.find((task) => task.upid === upid)!);
    const down = own.slice(own.findIndex(({ type }) => type === "qmshutdown"));
    return Object.fromEntries(down.map(({ type, startMs, endMs }) => [type, endMs! - startMs]));
  }

  /** Moves the VM away from a cluster and back into service there; the record of the way out. */
  async function moveAway(whileWarm?: (vmid: number) => Promise<void>): Promise<MoveRecord> {
    await federation.edit((text) => setClusterStatus(text, "worldstream-prod", "draining"));
    const vmid = stack.get("web-1").outputs.vmid as number;
    const moving = stack.up(program);
    await Promise.all([moving, whileWarm?.(vmid)]);
    return stack.get("web-1").outputs.lastMove as unknown as MoveRecord;
  }

  it("is down for its restore, and for at most a quarter of a cold move's backup", async () => {
    const { vmid } = stack.get("web-1").outputs as { vmid: number };
    await write("worldstream-prod", vmid, BLOCKS, "installed");
    const warm = await moveAway(async (id) => {
      const tasks = () => Object.values(federation.simulator.world.state.clusters["worldstream-prod"]!.tasks);
      await expect.poll(() => tasks().some(({ type }) => type === "vzdump"), { timeout: 120_000, interval: 20 }).toBe(true);
      await write("worldstream-prod", id, BLOCKS / 100, "meanwhile");
    });
    expect(warm.upids.filter((upid) => upid.includes(":vzdump:"))).toHaveLength(2);

    await federation.edit((text) => setClusterStatus(setClusterStatus(text, "worldstream-prod", "active"), "databarn-dr", "draining"));
    await stack.up(program);
    expect((stack.get("web-1").outputs.placement as { cluster: string }).cluster).toBe("worldstream-prod");
    await federation.edit((text) => {
      const document = parseDocument(setClusterStatus(text, "databarn-dr", "active"));
      document.setIn(["migration_policies", "paths", 0, "warm"], false);
      return document.toString();
    });
    const cold = await moveAway();
    expect(cold.upids.filter((upid) => upid.includes(":vzdump:"))).toHaveLength(1);
    const [warmMs, coldMs] = [downtimeMs(warm), downtimeMs(cold)];
    expect(warmMs.vzdump).toBeLessThanOrEqual(0.25 * coldMs.vzdump!);
    const total = (each: Record<string, number>) => Object.values(each).reduce((sum, ms) => sum + ms, 0);
    expect(total(warmMs)).toBeLessThan(total(coldMs) - 0.7 * coldMs.vzdump!);
  });
});
