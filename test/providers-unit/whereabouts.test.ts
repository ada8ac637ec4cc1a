/** Where a declared VM is: from marks on guests, after moves, clones and crashes. */
import { beforeEach, describe, expect, it } from "vitest";
import { formatDescription, type Identity, identityTag, type Mark, MOVING_TAG, type MoveJournal } from "../../src/migration";
import { findSource, nextGeneration } from "../../src/providers/source";
import { deleteVm } from "../../src/providers/vm/delete";
import { findWhereabouts } from "../../src/providers/whereabouts";
import type { FakeCluster } from "../support/fake-cluster";
import { POOL, ProgramScenario, STACK } from "../support/program-scenario";

const IDENTITY: Identity = { federation: "fed", stack: STACK, kind: "vm", name: "web" };
const STRANGER: Identity = { ...IDENTITY, stack: "other/prod" };

let scenario: ProgramScenario;
beforeEach(() => {
  scenario = new ProgramScenario();
});

const journal = (changes: Partial<MoveJournal> = {}): MoveJournal => ({
  id: "0123456789ab",
  target: { cluster: "b", node: "b1", vmid: 200 },
  storage: "bk",
  wasRunning: true,
  onBoot: true,
  wasFenced: false,
  step: "restoring",
  startedAt: "2026-01-01T00:00:00.000Z",
  ...changes,
});

function put(
  cluster: FakeCluster,
  vmid: number,
  changes: Partial<Mark>,
  options: { identity?: Identity; untagged?: boolean; moving?: boolean } = {},
) {
  const identity = options.identity ?? IDENTITY;
  const mark: Mark = { ...identity, generation: 1, phase: "settled", ...changes };
  const moving = options.moving ?? (mark.phase !== "settled" || mark.move !== undefined);
  const tags = [...(options.untagged ? [] : [identityTag(identity)]), ...(moving && !options.untagged ? [MOVING_TAG] : [])].join(";");
  return cluster.addGuest({
    vmid,
    node: `${cluster.clusterId}1`,
    pool: POOL,
    config: {
      description: formatDescription("", mark),
      ...(tags === "" ? {} : { tags }),
      // Every move leaves its source behind its fence.
      ...(mark.phase === "retired" ? { template: "1" } : {}),
    },
  });
}

const where = async () => {
  const { home, unfinished } = await findWhereabouts(scenario.session(), IDENTITY);
  return { home: home && `${home.cluster}/${home.row.vmid}`, ...(unfinished ? { step: unfinished.step } : {}) };
};

describe("a VM is at home", () => {
  it("nowhere before it is made", async () => {
    put(scenario.a, 100, {}, { identity: STRANGER });
    expect(await where()).toEqual({ home: undefined });
  });

  it("where its guest is, and no description is read for that", async () => {
    put(scenario.a, 100, {});
    expect(await where()).toEqual({ home: "a/100" });
    expect(scenario.world.calls.filter((call) => call.name === "qemu.findConfig")).toEqual([]);
  });

  it("nowhere as long as only its fenced old copy is in sight", async () => {
    const copy = put(scenario.a, 100, { phase: "retired", successor: { cluster: "b", vmid: 200 } }, { moving: false });
    copy.config.template = "1";
    expect(await where()).toEqual({ home: undefined });
  });

  it("at the source while nobody knows how a live restore ended", async () => {
    put(scenario.a, 100, { phase: "moving", move: journal({ step: "finishing", live: true }) });
    put(scenario.b, 200, { phase: "claimed", generation: 2 });
    expect(await where()).toEqual({ home: "a/100", step: "finishing" });
  });

  it("where a half-made guest is, by its description alone", async () => {
    put(scenario.a, 100, { phase: "claimed" }, { untagged: true });
    expect(await where()).toEqual({ home: "a/100" });
  });

  it("at the source of an unfinished move", async () => {
    put(scenario.a, 100, { phase: "moving", move: journal() });
    put(scenario.b, 200, { phase: "claimed", generation: 2 });
    expect(await where()).toEqual({ home: "a/100", step: "restoring" });
  });

  it("at the source of a move whose target is lost", async () => {
    put(scenario.a, 100, { phase: "moving", move: journal({ step: "finishing" }) });
    expect(await where()).toEqual({ home: "a/100", step: "finishing" });
  });

  it("at the target that may have run", async () => {
    put(scenario.a, 100, { phase: "moving", move: journal({ step: "finishing" }) });
    put(scenario.b, 200, { phase: "restored", generation: 2 });
    expect(await where()).toEqual({ home: "b/200", step: "finishing" });
  });

  it("at the target that is settled, whatever the source says", async () => {
    put(scenario.a, 100, { phase: "retired", move: journal({ step: "finishing" }) });
    put(scenario.b, 200, { generation: 2 });
    expect(await where()).toEqual({ home: "b/200" });
  });

  it("in one place only: a clone by hand is named and nothing is touched", async () => {
    put(scenario.a, 100, {});
    put(scenario.a, 101, {});
    await expect(where()).rejects.toThrow(/vm 100 on a\/a1 and vm 101 on a\/a1.*cloned by hand/);
    expect(scenario.world.calls.filter((call) => call.write)).toEqual([]);
  });
});

describe("the source of a create", () => {
  const source = async (here: { vmid: number; phase: Mark["phase"] }[] = []) => {
    const session = scenario.session();
    for (const { vmid, phase } of here) put(scenario.b, vmid, { phase, generation: 2 });
    return findSource(session, IDENTITY, "b", await session.ownedGuestsNow(IDENTITY, "b"));
  };

  it("is the settled guest elsewhere", async () => {
    put(scenario.a, 100, {});
    expect((await source())?.ref).toMatchObject({ vmid: 100 });
  });

  it("is the moving guest elsewhere, also when the target has settled", async () => {
    put(scenario.a, 100, { phase: "moving", move: journal({ step: "finishing" }) });
    expect((await source([{ vmid: 200, phase: "settled" }]))?.ref).toMatchObject({ vmid: 100 });
  });

  it.each<Mark["phase"]>(["retired", "claimed", "restored"])("is not a guest that is %s", async (phase) => {
    put(scenario.a, 100, { phase });
    expect(await source()).toBeUndefined();
  });

  it("is not a guest of another identity under our tag", async () => {
    put(scenario.a, 100, {}).config.description = formatDescription("", { ...STRANGER, generation: 1, phase: "settled" });
    expect(await source()).toBeUndefined();
  });

  it("is refused when there is a second one here already", async () => {
    put(scenario.a, 100, {});
    await expect(source([{ vmid: 200, phase: "settled" }])).rejects.toThrow(/exists on a \(vm 100\) and on b \(vm 200\)/);
  });
});

describe("the next generation", () => {
  it("is one more than any that was seen", async () => {
    put(scenario.a, 100, { generation: 3 });
    put(scenario.a, 101, { generation: 7, phase: "retired" });
    expect(nextGeneration(await scenario.session().ownedGuestsNow(IDENTITY, "a"))).toBe(8);
    expect(nextGeneration([])).toBe(1);
  });
});

describe("deleting a VM", () => {
  const remove = (generation = 1, vmid = 100) =>
    deleteVm(scenario.session(), {
      __identity: { stack: STACK, name: "web" },
      vmid,
      __at: { cluster: "a", node: "a1" },
      __generation: generation,
      __pool: POOL,
    });

  it.each<[string, () => void]>([
    ["is gone", () => undefined],
    ["has no mark", () => scenario.a.addGuest({ vmid: 100, node: "a1", config: { description: "by hand" } })],
    ["is another stack's", () => put(scenario.a, 100, {}, { identity: STRANGER })],
    ["was made by a later create", () => put(scenario.a, 100, { generation: 2 })],
  ])("touches nothing when its guest %s", async (_how, prepare) => {
    prepare();
    await remove();
    expect(scenario.world.calls.filter((call) => call.write)).toEqual([]);
  });

  it("destroys a retired source whose successor stands", async () => {
    put(scenario.a, 100, { phase: "retired", move: journal({ step: "finishing" }), successor: { cluster: "b", vmid: 200 } });
    put(scenario.b, 200, { generation: 2 });
    await remove();
    expect([scenario.a.guests.size, scenario.b.guests.size]).toEqual([0, 1]);
  });

  it.each<[string, () => void]>([
    ["is gone", () => undefined],
    ["is not settled", () => put(scenario.b, 200, { generation: 2, phase: "restored" })],
    ["is somebody else's by now", () => put(scenario.b, 200, {}, { identity: STRANGER })],
  ])("keeps a retired source whose successor %s", async (_how, prepare) => {
    put(scenario.a, 100, { phase: "retired", move: journal({ step: "finishing" }), successor: { cluster: "b", vmid: 200 } });
    prepare();
    await expect(remove()).rejects.toThrow(
      /is the source of a move and is kept: its successor \(vm 200 on b\) is not there as it should be/,
    );
    expect(scenario.a.guests.size).toBe(1);
  });

  it("keeps a guest that has a twin which did not come from it", async () => {
    put(scenario.a, 100, {});
    put(scenario.b, 200, {});
    await expect(remove()).rejects.toThrow(/is kept: vm 200 on b carries the same mark/);
    expect(scenario.a.guests.size).toBe(1);
  });

  it("takes what an interrupted move has made elsewhere, and nothing of others", async () => {
    put(scenario.a, 100, { phase: "moving", move: journal() });
    put(scenario.b, 200, { phase: "claimed", generation: 2 });
    put(scenario.b, 201, {}, { identity: STRANGER });
    await remove();
    expect([[...scenario.a.guests.keys()], [...scenario.b.guests.keys()]]).toEqual([[], [201]]);
  });

  it("leaves alone what stands under the vmid of an interrupted move and is not its target", async () => {
    put(scenario.a, 100, { phase: "moving", move: journal({ step: "backing-up" }) });
    const other = scenario.b.addGuest({ vmid: 200, node: "b1", pool: POOL, config: { name: "other" } });
    await remove();
    expect(scenario.b.guests.get(200)).toBe(other);
  });
});
