/** A Kubernetes volume whose region is lost and comes back, and the same interrupted at every call. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { KubernetesNode } from "../../src/kubernetes";
import { parseDescription } from "../../src/migration";
import type { Inputs } from "../../src/providers/inputs";
import { systemClock } from "../../src/proxmox";
import type { Fault } from "../support/fake-world";
import { QUIESCE, VolumeScenario } from "../support/volume-scenario";
import { sweepFault } from "../support/volume-sweep";

let scenario: VolumeScenario;
beforeEach(() => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

const home = { region: "a", zone: "a1" };
const there = { region: "b", zone: "b1", allowMove: true, quiesce: QUIESCE };
const clusterA = () => scenario.federation.clusters.find(({ id }) => id === "a")!;
const callsToA = () => scenario.world.calls.filter(({ cluster }) => cluster === "a").length;

function begin(): VolumeScenario {
  scenario = new VolumeScenario();
  return scenario;
}

function node(name: string, ready: boolean): KubernetesNode {
  return {
    metadata: { name, labels: { "topology.kubernetes.io/region": name[0]! } },
    status: { conditions: [{ type: "Ready", status: ready ? "True" : "Unknown" }] },
  };
}

/** A volume in `a/a1` whose pod has written to it, backed up; then region a is lost, and its attachment stays on record. */
async function loseA(options: { backedUp?: boolean; choice?: string } = {}): Promise<void> {
  const { a, kubernetes } = scenario;
  await scenario.up(home);
  kubernetes.setReplicas(1);
  kubernetes.write("orders");
  const { ownerVmid, persistentVolume } = scenario.state!.outputs as { ownerVmid: number; persistentVolume: string };
  if (options.backedUp !== false)
    await a.tasks.wait((await a.backup.start("a1", { vmid: ownerVmid, storage: "bk", mode: "snapshot" }))!, {});
  scenario.config.set("proxmox-federation:diskBackups", options.choice ?? "newest");
  for (const guest of a.guests.values()) guest.power = "stopped";
  kubernetes.stale.push({ volume: persistentVolume, node: "a1" });
  kubernetes.nodes = [node("a1", false), node("b1", true)];
  Object.assign(clusterA(), { status: "lost", fenced: true });
}

const oursOn = (id: "a" | "b") =>
  [...scenario[id].guests.values()].flatMap(({ config }) => {
    const { mark } = parseDescription(config.description);
    return mark ? [mark] : [];
  });

/** The pod runs in b with the data of the backup; the old disk stands on a. */
function expectServing(): void {
  expect([...scenario.world.violations]).toEqual([]);
  expect(scenario.writes()).toEqual(["filesystem", "orders"]);
  expect(scenario.kubernetes.podNode).toBe("b1");
  expect(scenario.kubernetes.claim?.spec?.volumeName).toBe(scenario.state!.outputs.persistentVolume);
  expect(oursOn("a")).toMatchObject([{ phase: "settled" }]);
  expect(oursOn("b")).toMatchObject([{ phase: "settled", failover: { from: { cluster: "a" } } }]);
}

describe("a volume whose region is lost", () => {
  beforeEach(begin);

  it("is restored elsewhere and its claim bound again, without a call to the lost cluster", async () => {
    await loseA();
    const before = callsToA();
    const { step, inputs } = await scenario.preview(there);
    expect(step).toBe("replace");
    expect(inputs.failover).toMatchObject({ to: "b/b1", data: expect.stringMatching(/may be torn: Kubernetes may have had it attached/) });
    expect(inputs.migration).toBeUndefined();
    await scenario.up(there);
    expect(callsToA()).toBe(before);
    expectServing();
    expect((await scenario.preview(there)).step).toBe("same");
    expect(await scenario.refresh()).toBeUndefined();
  });

  const attachedTo = (name: string) => () => {
    scenario.kubernetes.stale[0]!.node = name;
  };
  it.each<[string, Parameters<typeof loseA>[0], () => void, Inputs, RegExp]>([
    ["it was never backed up", { backedUp: false }, () => undefined, there, /no backup with its mark is found/],
    [
      "no backup is known to be consistent",
      { choice: "consistent" },
      () => undefined,
      there,
      /none of its backups is known to be consistent/,
    ],
    ["it is not fenced", {}, () => Object.assign(clusterA(), { fenced: false }), there, /not declared fenced/],
    ["it may not move", {}, () => undefined, { region: "b", zone: "b1" }, /must leave a\/a1 for b\/b1.*Set allowMove/],
    ["Kubernetes shows it attached in another region", {}, attachedTo("b1"), there, /still in use.*csi-1 \(on b1\)/],
    ["Kubernetes shows it attached to a node it does not know", {}, attachedTo("c1"), there, /still in use.*csi-1 \(on c1\)/],
    [
      "its node still reports that it is ready",
      {},
      () => {
        scenario.kubernetes.nodes = [node("a1", true)];
      },
      there,
      /still in use.*csi-1 \(on a1\)/,
    ],
  ])("is refused when %s", async (_why, options, change, args, reason) => {
    await loseA(options);
    change();
    await expect(scenario.up(args)).rejects.toThrow(reason);
    expect(oursOn("b")).toEqual([]);
    expect(scenario.kubernetes.volumes.size).toBe(1);
  });

  it("leaves an old disk that is kept, and removed only on demand, when the region is back", async () => {
    await loseA();
    await scenario.up(there);
    Object.assign(clusterA(), { status: "active", fenced: undefined });
    expect((await scenario.preview(there)).inputs.cleanup).toMatch(/the outdated vm \d+ on a is fenced and kept/);
    await scenario.up(there);
    expect(oursOn("a")).toMatchObject([{ phase: "retired", outdatedSince: expect.any(String) }]);
    expect((await scenario.preview(there)).step).toBe("same");
    // A worker over there has it still: nobody could tell its plugin to let go.
    const [volid] = [...scenario.a.volumes.keys()];
    scenario.a.guests.get(900)!.config.scsi1 = `${volid},backup=0`;
    scenario.config.set("proxmox-federation:removeFailedOverCopies", "true");
    await expect(scenario.up(there)).rejects.toThrow(/outdated disk .* is kept: vm 900 on a has it as scsi1/);
    // The plugin detaches it once it reaches the region again.
    delete scenario.a.guests.get(900)!.config.scsi1;
    scenario.kubernetes.stale.length = 0;
    await scenario.up(there);
    expect(oursOn("a")).toEqual([]);
    expect([...scenario.world.violations]).toEqual([]);
    expect(scenario.kubernetes.volumes.size).toBe(1);
  });
});

describe("its failover, interrupted at any call and run again,", () => {
  it.each<Fault>(["kill", "kill-after", "lose-reply", "refuse", "fail-task", "kill-task"])("(%s) ends the same", async (fault) => {
    const points = await sweepFault(
      fault,
      begin,
      () => loseA(),
      () => scenario.up(there),
      async () => expectServing(),
    );
    expect(points).toBeGreaterThan(0);
  });
});
