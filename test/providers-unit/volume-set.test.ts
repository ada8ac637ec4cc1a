/** The volumes of a StatefulSet whose zones placement chooses. */
import { beforeEach, describe, expect, it } from "vitest";
import { NoConnectionError } from "../../src/inventory";
import type { Inputs } from "../../src/providers/inputs";
import type { Session } from "../../src/providers/session";
import { createVolume } from "../../src/providers/volume/create";
import { checkVolume } from "../../src/providers/volume/plan";
import { VolumeScenario } from "../support/volume-scenario";

const DATA = { size: "2GiB", storageClass: "fast" };
const WAL = { size: "1GiB", storageClass: "fast" };

let scenario: VolumeScenario;
beforeEach(() => {
  scenario = new VolumeScenario();
  // Three zones that have a worker.
  scenario.kubernetes.nodes = scenario.kubernetes.nodes.filter(({ metadata }) => metadata?.name !== "worker-b2");
});

type Volumes = Record<string, { size: string; storageClass: string }>;

/** What the component declares, by volume. */
function declare(replicas: number, volumes: Volumes = { data: DATA, wal: WAL }): Map<string, Inputs> {
  const names = Array.from({ length: replicas }, (_, replica) => Object.keys(volumes).map((volume) => `${volume}-db-${replica}`));
  const set = {
    kind: "volume-set",
    name: "db",
    workers: {},
    volumes: Object.values(volumes),
    replicas: names.map((own) => own.map((name) => `pv/${name}`)),
  };
  const order = { __before: "[]", __ordered: true, __together: JSON.stringify(set) };
  return new Map(
    names.flat().map((name) => [name, { ...volumes[name.split("-")[0]!]!, __identity: { stack: "shop/prod", name }, ...order }]),
  );
}

/** `region/zone` by volume, checked in that order, as far as a place was found. */
async function plan(session: Session, declared: Map<string, Inputs>, order = [...declared.keys()]) {
  const checked = new Map<string, Inputs>();
  const failures: string[] = [];
  for (const name of order) {
    const result = await checkVolume(session, {}, declared.get(name)!);
    failures.push(...result.failures.map(({ reason }) => reason));
    if (result.failures.length === 0) checked.set(name, result.inputs);
  }
  const placeOf = ({ placement }: Inputs) =>
    Object.values(placement as { region: string; zone: string })
      .slice(0, 2)
      .join("/");
  const places = Object.fromEntries([...checked].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, inputs]) => [name, placeOf(inputs)]));
  return { checked, failures, places };
}

async function up(declared: Map<string, Inputs>) {
  const session = scenario.newSession();
  const { checked, places } = await plan(session, declared);
  for (const [name, inputs] of checked)
    if (!existing.has(name)) {
      await createVolume(session, JSON.parse(JSON.stringify(inputs)) as Inputs);
      existing.add(name);
    }
  return places;
}
let existing: Set<string>;
beforeEach(() => {
  existing = new Set();
});

const zonesOf = (places: Record<string, string>, volume: string) =>
  Object.entries(places)
    .filter(([name]) => name.startsWith(volume))
    .map(([, place]) => place);

describe("a set whose zones placement chooses", () => {
  it("is even over the zones that have a worker, the volumes of a replica together, whichever is checked first", async () => {
    const declared = declare(6);
    const names = [...declared.keys()];
    const orders = [names, names.toReversed(), [...names.slice(5), ...names.slice(0, 5)]];
    const plans = [];
    for (const order of orders) plans.push((await plan(scenario.newSession(), declared, order)).places);
    expect(plans[1]).toEqual(plans[0]);
    expect(plans[2]).toEqual(plans[0]);
    expect(zonesOf(plans[0]!, "wal")).toEqual(zonesOf(plans[0]!, "data"));
    expect(zonesOf(plans[0]!, "data").sort()).toEqual(["a/a1", "a/a1", "a/a2", "a/a2", "b/b1", "b/b1"]);
  });

  it("leaves what is there where it is when replicas and volumes are added", async () => {
    const before = await up(declare(2));
    // Since then the zone of replica 0 has lost its worker.
    const [zone] = zonesOf(before, "data");
    scenario.kubernetes.nodes = scenario.kubernetes.nodes.filter(({ metadata }) => !zone!.endsWith(metadata!.name!.slice(-2)));
    const after = await up(declare(3));
    expect(after).toMatchObject(before);
    const [first, second, third] = zonesOf(after, "data");
    expect(new Set([first, second, third]).size).toBe(3);
    const more = await up(declare(3, { data: DATA, wal: WAL, log: WAL }));
    expect(more).toMatchObject(after);
    expect(zonesOf(more, "log")).toEqual([first, second, third]);
  });

  it("leaves a draining zone with all volumes of the replica, and nobody else moves", async () => {
    const before = await up(declare(2));
    const [zone] = zonesOf(before, "data") as [string];
    const [cluster, node] = zone.split("/") as [string, string];
    scenario.federation.clusters.find(({ id }) => id === cluster)!.nodes.push({ name: node, status: "draining", tags: [] } as never);
    const moving = new Map([...declare(2)].map(([name, inputs]) => [name, { ...inputs, allowMove: true }]));
    const { places, failures } = await plan(scenario.newSession(), moving);
    expect(failures).toEqual([]);
    expect(places["data-db-0"]).not.toBe(zone);
    expect(places["wal-db-0"]).toBe(places["data-db-0"]);
    expect([places["data-db-1"], places["wal-db-1"]]).toEqual([before["data-db-1"], before["wal-db-1"]]);
  });

  it("is refused for new replicas while a cluster does not answer, and kept for those that are there", async () => {
    const before = await up(declare(1));
    const silent = zonesOf(before, "data")[0]!.startsWith("a") ? scenario.b : scenario.a;
    silent.listResources = () => Promise.reject(new NoConnectionError("connection refused"));
    const { places, failures } = await plan(scenario.newSession(), declare(2));
    expect(places).toEqual(before);
    expect(failures).toEqual(Array(2).fill(expect.stringMatching(/-db-1 is placed together with others/)));
  });

  it("is placed together also while a cluster is declared lost", async () => {
    Object.assign(scenario.federation.clusters.find(({ id }) => id === "a")!, { status: "lost", fenced: true });
    const { places, failures } = await plan(scenario.newSession(), declare(1));
    expect([failures, places]).toEqual([[], { "data-db-0": "b/b1", "wal-db-0": "b/b1" }]);
  });

  it("says of a replica that fits nowhere why", async () => {
    scenario.kubernetes.nodes = [];
    const { failures } = await plan(scenario.newSession(), declare(1));
    expect(failures).toEqual(Array(2).fill(expect.stringMatching(/Cannot place db-0: .*without a Kubernetes worker/)));
  });
});
