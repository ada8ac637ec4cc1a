import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Outlook } from "../../src/cli/forecast/outlook";
import { recordSample } from "../../src/simulator/round-robin";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

const CLUSTER = "worldstream-prod";
const DAY_MS = 86_400_000;
const GIB = 1024 ** 3;

let simulated: SimulatedFederation;
beforeAll(async () => {
  simulated = await startSimulatedFederation();
});
afterAll(() => simulated.stop());

/** Thirty days of a storage that grows by so much a day and is now as full as that, with a wave of a tenth of the growth. */
function record(
  cluster: string,
  node: string,
  storage: string,
  { totalBytes, usedBytes, perDay }: Record<"totalBytes" | "usedBytes" | "perDay", number>,
) {
  const state = simulated.simulator.world.state.clusters[cluster]!;
  const { backends } = state.storages[storage]!;
  // What the simulator itself records from now on goes on where the past ends.
  simulated.simulator.world.state.backends[backends[node] ?? backends["*"]!]!.reservedBytes = usedBytes;
  const archives = {};
  const nowMs = simulated.simulator.world.clock.nowMs();
  for (let half = 60; half >= 0; half--) {
    const used = usedBytes - (half / 2) * perDay + (half % 2 === 0 ? 1 : -1) * 0.1 * perDay;
    recordSample(archives, nowMs - (half * DAY_MS) / 2, [totalBytes, Math.max(0, used)]);
  }
  state.storageHistory = { ...state.storageHistory, [`${node}/${storage}`]: archives };
}

async function run<T>(...argv: string[]): Promise<{ code: number; report: T }> {
  const { code, out } = await federate([...argv, "--format", "json"], simulated.env);
  return { code, report: JSON.parse(out) as T };
}

/** The storage of the cluster's nodes, as the cluster has it. */
async function sizeOf(storage: string): Promise<number> {
  const { report } = await run<{ outlooks: Outlook[] }>("forecast");
  return report.outlooks.find((one) => one.storage === storage && one.cluster === CLUSTER)!.totalBytes;
}

describe("federate forecast", () => {
  it("says of what has no history that it has too little", async () => {
    const { code, out } = await federate(["forecast"], simulated.env);
    expect(code).toBe(0);
    expect(out).toMatch(/storage worldstream-prod\/ams-1\/nvme +\S.* of .*too little history/);
    expect(out).toMatch(/nothing of \d+ full within 30 d/);
  });

  it("lays a line through the recorded use and tells its error, and ends with 1 when something fills up in time", async () => {
    const totalBytes = await sizeOf("nvme");
    record(CLUSTER, "ams-1", "nvme", { totalBytes, usedBytes: totalBytes * 0.8, perDay: totalBytes * 0.01 });
    record(CLUSTER, "ams-2", "nvme", { totalBytes, usedBytes: totalBytes * 0.2, perDay: -GIB });
    const { code, report } = await run<{ outlooks: Outlook[]; timeframe: string }>("forecast", "--days", "30");
    const of = (node: string) => report.outlooks.find((one) => one.storage === "nvme" && one.node === node)!;
    expect(code).toBe(1);
    expect(report.timeframe).toBe("month");
    expect(of("ams-1").fillsUp).toBe(true);
    expect(of("ams-1").growthBytesPerDay! / totalBytes).toBeCloseTo(0.01, 3);
    expect(of("ams-1").typicalErrorBytes! / totalBytes).toBeCloseTo(0.001, 3);
    const daysToFull = (Date.parse(of("ams-1").fullAt!) - Date.now()) / DAY_MS;
    expect(daysToFull).toBeGreaterThan(19);
    expect(daysToFull).toBeLessThan(21);
    expect(Date.parse(of("ams-1").fullBetween!.earliest)).toBeLessThan(Date.parse(of("ams-1").fullBetween!.latest));
    expect(of("ams-2")).toMatchObject({ fillsUp: false });
    expect(of("ams-2")).not.toHaveProperty("fullAt");
    expect((await run("forecast", "--days", "10")).code).toBe(0);
  });

  it("keeps allocate from a storage that will be full by then", async () => {
    const totalBytes = await sizeOf("nvme");
    for (const node of ["ams-1", "ams-2", "ams-3"])
      record(CLUSTER, node, "nvme", { totalBytes, usedBytes: totalBytes * 0.8, perDay: totalBytes * 0.02 });
    const argv = ["allocate", "-p", "production-pool", "--storage", "100GiB", "--location", "Amsterdam"];
    const where = (report: { placement?: { cluster: string } }) => report.placement?.cluster;
    expect(where((await run<{ placement?: { cluster: string } }>(...argv)).report)).toBe(CLUSTER);
    expect(where((await run<{ placement?: { cluster: string } }>(...argv, "--forecast", "60")).report)).toBe("databarn-dr");
    const { out } = await federate([...argv, "--forecast", "60", "--explain"], simulated.env);
    expect(out).toMatch(/predicted for 60 days from now/);
  });

  it.each([["0"], ["1.5"], ["soon"]])("refuses %s days", async (days) => {
    const { code, err } = await federate(["forecast", "--days", days], simulated.env);
    expect([code, err]).toEqual([2, expect.stringContaining("a whole number of days from 1 to 3650")]);
  });
});
