import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Simulator, smallLayout, startSimulator } from "../../src/simulator";
import { sendPlain } from "./http-client";

let directory: string;
let simulator: Simulator | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "simulator-"));
});

afterEach(async () => {
  await simulator?.stop();
  simulator = undefined;
  await rm(directory, { recursive: true });
});

test("a simulator goes on where the last one in its directory stopped", async () => {
  const first = await startSimulator({ layout: smallLayout(), stateDir: directory, timeScale: 0, startMs: 1_700_000_000_000 });
  const before = first.clusters.map(({ id, token, fingerprint, rootPassword }) => ({ id, token, fingerprint, rootPassword }));
  const headers = { Authorization: `PVEAPIToken=${first.clusters[0]!.token!.id}=${first.clusters[0]!.token!.secret}` };
  await sendPlain(first.clusters[0]!.endpoints[0]!.url, { method: "POST", path: "/api2/json/pools", headers, body: { poolid: "kept" } });
  await first.world.clock.advance(5_000);
  await first.stop();

  simulator = await startSimulator({ layout: { clusters: [], backends: [] }, stateDir: directory, timeScale: 0 });
  expect(simulator.clusters.map(({ id, token, fingerprint, rootPassword }) => ({ id, token, fingerprint, rootPassword }))).toEqual(before);
  expect(simulator.world.clock.nowMs()).toBe(1_700_000_005_000);
  expect(simulator.world.state.clusters.ams?.pools.kept).toBeDefined();
  const again = await sendPlain(simulator.clusters[0]!.endpoints[0]!.url, { path: "/api2/json/pools?poolid=kept", headers });
  expect(again.status).toBe(200);
});

test("the file is for its owner only and whole at any time", async () => {
  simulator = await startSimulator({ layout: smallLayout(), stateDir: directory, timeScale: 0 });
  const file = join(directory, "simulator.json");
  expect((await stat(file)).mode & 0o077).toBe(0);
  expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ format: 1, state: { clusters: { ams: {}, fra: {} } } });
});
