/** `federate volumes move` of a volume of the CSI plugin: taken over and moved, and interrupted at every call. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { currentOf, toFreeVolume } from "../../src/cli/volumes/free-volume";
import { listCsiVolumes, requireVolume } from "../../src/cli/volumes/volumes";
import { planRelocation, relocate, takeOver } from "../../src/providers/volume/free/relocate";
import { systemClock } from "../../src/proxmox";
import type { Fault } from "../support/fake-world";
import { addPluginVolume, PLUGIN_VOLID, PLUGIN_VOLUME } from "../support/plugin-volume";
import { QUIESCE, VolumeScenario } from "../support/volume-scenario";
import { type SweepSteps, sweepFault } from "../support/volume-sweep";

let scenario: VolumeScenario;
const begin = () => {
  scenario = new VolumeScenario();
  return scenario;
};
beforeEach(() => {
  begin();
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

type Target = { region: string; zone: string };

async function inUse(): Promise<void> {
  addPluginVolume(scenario);
  scenario.kubernetes.setReplicas(1);
  expect(scenario.kubernetes.podNode).toBe("a1");
}

async function find(name: string, to: Target, quiesce: typeof QUIESCE | undefined = QUIESCE) {
  const all = await listCsiVolumes(scenario.kubernetes);
  const volume = currentOf(requireVolume(all, name), all);
  const cluster = (id: string) => scenario.federation.clusters.find((candidate) => candidate.id === id)!;
  return toFreeVolume(volume, { quiesce }, { source: cluster(volume.handle!.region), target: cluster(to.region) });
}

/** As the command does, with a session per step. */
async function move(name: string, to: Target): Promise<void> {
  const volume = await find(name, to);
  if (volume.unowned !== undefined) await takeOver(scenario.newSession(), volume);
  const { unowned: _taken, ...owned } = volume;
  await relocate(scenario.newSession(), owned, to);
}

/** The pod has the data there, and nothing else is left anywhere. */
function expectServing({ region, zone }: Target): void {
  expect([...scenario.world.violations]).toEqual([]);
  expect(scenario.kubernetes.podNode).toBe(zone);
  expect(scenario.kubernetes.formatted).toEqual([]);
  expect(scenario.owners()).toEqual([`${region}/${zone} settled`]);
  expect(scenario.store.archives).toEqual([]);
  const disks = [scenario.a, scenario.b].flatMap((each) => [...each.volumes.values()]);
  expect(disks.map(({ writes }) => writes)).toEqual([["filesystem", "orders"]]);
  expect([...scenario.kubernetes.volumes.values()].map(({ spec }) => spec?.csi?.volumeHandle)).toEqual([
    expect.stringMatching(new RegExp(`^${region}/${zone}/fast/vm-\\d+-disk-0$`)),
  ]);
  expect(scenario.kubernetes.claim?.metadata?.deletionTimestamp).toBeUndefined();
}

const ELSEWHERE: [string, Target][] = [
  ["zone", { region: "a", zone: "a2" }],
  ["region", { region: "b", zone: "b1" }],
];

describe("a volume that no program owns", () => {
  it.each(ELSEWHERE)("goes to another %s, and on from there", async (_kind, to) => {
    await inUse();
    const plan = await planRelocation(scenario.newSession(), await find(PLUGIN_VOLUME, to), to);
    expect(plan.adoption).toMatch(/gets an owner VM: its disk is renamed, not copied/);
    expect(plan.migration).toMatchObject({ to: `${to.region}/${to.zone}`, reason: "asked for by federate volumes move" });
    // A plan changes nothing.
    expect([scenario.owners(), [...scenario.a.volumes.keys()]]).toEqual([[], [PLUGIN_VOLID]]);
    await move(PLUGIN_VOLUME, to);
    expectServing(to);
    const back = { region: "a", zone: "a1" };
    const again = await find("default/data", back);
    expect(again).toMatchObject({ name: PLUGIN_VOLUME, at: to });
    expect((await planRelocation(scenario.newSession(), again, back)).adoption).toBeUndefined();
    await move("default/data", back);
    expectServing(back);
    await move("default/data", back);
    expectServing(back);
  });

  it("is left alone when it is in use and nothing is to be quiesced, or the target has no room", async () => {
    await inUse();
    const to = { region: "b", zone: "b1" };
    const plan = async (quiesce?: typeof QUIESCE) => {
      const volume = await find(PLUGIN_VOLUME, to, QUIESCE);
      if (!quiesce) delete volume.declared.quiesce;
      return planRelocation(scenario.newSession(), volume, to);
    };
    await expect(plan()).rejects.toThrow(/in use: pods default\/db-0/);
    scenario.b.storages.fast!.usedBytes = scenario.b.storages.fast!.totalBytes;
    await expect(plan(QUIESCE)).rejects.toThrow(/fast/);
    expect(scenario.owners()).toEqual([]);
    expect([...scenario.a.volumes.keys()]).toEqual([PLUGIN_VOLID]);
  });

  it("serves at its place when the move fails", async () => {
    await inUse();
    scenario.world.fault = (call) => (call.name === "backup.start" ? "fail-task" : undefined);
    await expect(move(PLUGIN_VOLUME, { region: "b", zone: "b1" })).rejects.toThrow();
    scenario.world.fault = () => undefined;
    expectServing({ region: "a", zone: "a1" });
  });
});

describe("a program that adopts what the command has moved", () => {
  const to = { region: "b", zone: "b1" };
  const declared = () => ({ ...to, adopt: { persistentVolume: [...scenario.kubernetes.volumes.keys()][0]! } });
  const moved = async () => {
    await inUse();
    await move(PLUGIN_VOLUME, to);
  };
  /** Under its pod, with nothing but the marks changed; from then on it is like any other. */
  const expectOwned = async () => {
    expectServing(to);
    const mark = [...scenario.kubernetes.volumes.values()][0]!.metadata!.annotations!["proxmox-federation/mark"]!;
    expect(JSON.parse(mark)).toMatchObject({ stack: "shop/prod", name: "pv/data" });
    expect((await scenario.preview(to)).step).toBe("same");
    expect(await scenario.refresh()).toBeUndefined();
    const back = { region: "a", zone: "a1", allowMove: true, quiesce: QUIESCE };
    expect(await scenario.up(back)).toBe("replace");
    expectServing(back);
  };

  it("gets it with its owner, and moves it from then on", async () => {
    await moved();
    const [handle] = [...scenario.kubernetes.volumes.values()].map(({ spec }) => spec?.csi?.volumeHandle);
    const { step, inputs } = await scenario.preview(declared());
    expect(step).toBe("create");
    expect(inputs.adoption).toMatch(/is handed over by "federate volumes move": only marks change$/);
    expect(await scenario.up(declared())).toBe("create");
    expect(scenario.state!.outputs.volumeHandle).toBe(handle);
    await expectOwned();
  });

  it.each<Fault>(["kill", "kill-after", "lose-reply", "refuse"])("after %s at every call", async (fault) => {
    expect(await sweepFault(fault, begin, moved, () => scenario.up(declared()), expectOwned)).toBeGreaterThan(1);
  });
});

// After `kill-task` an administrator has to unlock the guest of a backup.
const FAULTS: Fault[] = ["kill", "kill-after", "lose-reply", "refuse", "fail-task"];
describe.each(FAULTS)("%s at every call of", (fault) => {
  const sweep = (...steps: SweepSteps) => sweepFault(fault, begin, ...steps);

  it.each(ELSEWHERE)("the take-over and the move to another %s", async (_kind, to) => {
    // By the claim's name, which stays, once the first PersistentVolume is gone.
    const nameNow = () => (scenario.kubernetes.volumes.has(PLUGIN_VOLUME) ? PLUGIN_VOLUME : "default/data");
    const after = async () => expectServing(to);
    expect(await sweep(inUse, () => move(nameNow(), to), after)).toBeGreaterThan(3);
  });
});
