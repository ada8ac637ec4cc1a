import { describe, expect, it } from "vitest";
import {
  checkNodeFailover,
  findConflict,
  type GuestFacts,
  type Inventory,
  type PlacementRequest,
  PlacementSession,
  placeOne,
  whatIf,
} from "../../src/placement";
import { cluster, GIB, guest, inventory, node, pool, request, rule, storage } from "./builders";

describe("whatIf", () => {
  const facts = () =>
    inventory(
      cluster("a", [node("a1", { guests: [guest({ key: "vm", cores: 4 })] }), node("a2")]),
      cluster("b", [node("b1", { cores: 4 })]),
    );
  const vm = request("vm", { cores: 4, prior: { cluster: "a", node: "a1", storages: [] } });

  it.each([
    [{ kind: "drain-node", cluster: "a", node: "a1" }, "a", "a2"],
    [{ kind: "lose-node", cluster: "a", node: "a1" }, "a", "a2"],
    [{ kind: "drain-cluster", cluster: "a" }, "b", "b1"],
    [{ kind: "lose-cluster", cluster: "a" }, "b", "b1"],
  ] as const)("%j sends the guest to %s/%s", (change, clusterId, nodeName) => {
    const before = facts();
    const { plan } = whatIf([change], [vm], before);
    expect(plan.decisions[0]).toMatchObject({ outcome: "moved", placement: { cluster: clusterId, node: nodeName } });
    expect(before).toEqual({ ...facts(), clusters: before.clusters });
  });

  it("shows how full clusters are before and after growth, and what new nodes would take", () => {
    const grow = { kind: "grow" as const, requests: [request("big", { cores: 8, memoryMiB: 16384 })] };
    const without = whatIf([{ kind: "drain-node", cluster: "a", node: "a2" }, grow], [vm], facts());
    expect(without.plan.counts).toMatchObject({ kept: 1, rejected: 1 });
    const more = whatIf([grow, { kind: "add-nodes", cluster: "b", nodes: [node("b2")] }], [vm], facts());
    expect(more.plan.counts).toMatchObject({ kept: 1, placed: 1 });
    // Two empty nodes tie, a2 and the new b2, and b2 wins by its hash: 8 of b's 12 cores.
    expect(more.clusters.map(({ before }) => before.cpuPermille)).toEqual([250, 0]);
    expect(more.clusters.map(({ after }) => after.cpuPermille)).toEqual([250, 667]);
  });

  it("refuses a change of what does not exist", () => {
    expect(() => whatIf([{ kind: "drain-cluster", cluster: "z" }], [], facts())).toThrow("there is no cluster z");
    expect(() => whatIf([{ kind: "lose-node", cluster: "a", node: "z" }], [], facts())).toThrow("cluster a has no node z");
  });
});

describe("checkNodeFailover", () => {
  it("tells absorbed, short and fragmented apart", () => {
    const four = (cores: number) => [guest({ cores, name: `uses ${cores}` })];
    const verdicts = (...used: number[]) =>
      checkNodeFailover(
        [],
        inventory(
          cluster(
            "a",
            used.map((cores, index) => node(`n${index}`, { cores: 4, guests: four(cores) })),
          ),
        ),
      ).map(({ verdict }) => verdict);
    expect(verdicts(2, 2)).toEqual(["absorbed", "absorbed"]);
    expect(verdicts(3, 3)).toEqual(["short", "short"]);
    // Two nodes have 2 free cores each: 4 in all, but no place for one guest of 3.
    expect(verdicts(3, 2, 2)[0]).toBe("fragmented");
  });

  it("keeps the rules of our guests and leaves out those bound to a local disk", () => {
    const rules = [rule("anti-affinity must tag db")];
    const owned = (key: string) => request(key, { tags: ["db"], pool: pool({ rules }) });
    const local = guest({ name: "bound", disks: [{ storage: "local", sizeBytes: GIB }] });
    const facts = inventory(
      cluster(
        "a",
        [
          node("n1", { guests: [guest({ key: "x", name: "x", tags: ["db"] }), local] }),
          node("n2", { guests: [guest({ key: "y", name: "y", tags: ["db"] })] }),
        ],
        {
          storages: [storage("main", ["n1", "n2"]), storage("local", ["n1"], { shared: false })],
        },
      ),
    );
    expect(checkNodeFailover([owned("x"), owned("y")], facts)).toEqual([
      { cluster: "a", node: "n1", verdict: "fragmented", homeless: ["x"], bound: ["bound"] },
      { cluster: "a", node: "n2", verdict: "fragmented", homeless: ["y"], bound: [] },
    ]);
  });
});

describe("checkNodeFailover trades no must", () => {
  const two = (first: Partial<GuestFacts>[], second: Partial<GuestFacts>[], storages = [storage("main", ["n1", "n2"])]) => {
    const at = (name: string, guests: Partial<GuestFacts>[]) => node(name, { guests: guests.map((each) => guest(each)) });
    return inventory(cluster("a", [at("n1", first), at("n2", second)], { storages }));
  };
  const lossOfFirst = (requests: PlacementRequest[], facts: Inventory) => checkNodeFailover(requests, facts)[0]?.homeless;
  const web = request("web", { tags: ["web"] });

  it("neither of those that stay: what they keep away by rules of their own stays away", () => {
    const facts = two([{ key: "web", name: "web", tags: ["web"] }], [{ key: "alone", name: "alone" }]);
    const alone = request("alone", { rules: [rule("anti-affinity must tag web")] });
    expect(lossOfFirst([web, alone], facts)).toEqual(["web"]);
    expect(lossOfFirst([web], facts)).toEqual([]);
  });

  it("nor a pin, nor a storage that the other node does not see", () => {
    const disks = [{ name: "scsi0", storageClass: "", sizeBytes: GIB }];
    const facts = two([{ key: "web", name: "web" }], []);
    expect(lossOfFirst([{ ...web, pin: { node: "n1" } }], facts)).toEqual(["web"]);
    expect(lossOfFirst([{ ...web, disks }], two([{ key: "web", name: "web" }], [], [storage("main", ["n1"])]))).toEqual(["web"]);
    expect(lossOfFirst([{ ...web, disks }], facts)).toEqual([]);
  });
});

describe("findConflict", () => {
  const facts = inventory(cluster("a", [node("a1", { cores: 2 })], { tier: "primary" }), cluster("b", [node("b1")], { tier: "edge" }));

  it("names the demands that cannot hold together, and no others", () => {
    const asked = request("vm", {
      cores: 4,
      networks: ["lan"],
      rules: [rule("affinity must tier primary"), rule("affinity should cluster b"), rule("affinity must_not provider nobody")],
    });
    expect(findConflict(asked, facts, [])?.demands).toEqual(['the guest\'s rule "affinity must tier primary"', "4 cores"]);
  });

  it("each demand is needed: without any one of them the request fits", () => {
    const asked = request("vm", {
      residency: ["NL"],
      pin: { cluster: "a" },
      memoryMiB: 1 << 20,
      rules: [rule("affinity must_not cluster a")],
    });
    const conflict = findConflict(asked, facts, []);
    expect(conflict?.demands.length).toBe(1);
    expect(conflict?.message).toContain("Dropping it would resolve this conflict");
  });

  it("is undefined for a request that fits, empty when nothing takes anything", () => {
    expect(findConflict(request("vm"), facts, [])).toBeUndefined();
    const closed = inventory(cluster("a", [node("a1")], { status: "cordoned" }));
    expect(findConflict(request("vm"), closed, [])).toEqual({
      demands: [],
      message: "No cluster takes anything at present, whatever vm asks for.",
    });
  });
});

describe("PlacementSession", () => {
  it("decides one after the other as placeOne does with a growing list of promises", () => {
    const facts = inventory(cluster("a", [node("a1", { cores: 3 }), node("a2", { cores: 5 })]), cluster("b", [node("b1", { cores: 4 })]));
    const session = new PlacementSession(facts);
    const promised: Parameters<typeof placeOne>[2] = [];
    for (let index = 0; index < 12; index++) {
      const asked = request(`vm-${index}`, { cores: 1 });
      const decision = session.add(asked);
      const alone = placeOne(asked, facts, promised);
      const score = (name: string | undefined) => alone.explanation.candidates.find((candidate) => candidate.node === name)?.score;
      expect(score(decision.placement?.node)).toBe(alone.explanation.candidates[0]?.score);
      if (decision.placement !== undefined) (promised as unknown[]).push({ request: asked, placement: decision.placement });
    }
    expect(promised).toHaveLength(12);
    expect(session.add(request("more", { cores: 1 })).outcome).toBe("rejected");
    expect(() => session.add(request("more"))).toThrow("more has been placed in this session");
  });

  it("keeps and moves guests that have a place", () => {
    const facts = inventory(
      cluster("a", [node("a1", { status: "draining", guests: [guest({ key: "x" })] }), node("a2", { guests: [guest({ key: "y" })] })]),
    );
    const session = new PlacementSession(facts);
    expect(session.add(request("y", { prior: { cluster: "a", node: "a2", storages: [] } })).outcome).toBe("kept");
    expect(session.add(request("x", { prior: { cluster: "a", node: "a1", storages: [] } }))).toMatchObject({
      outcome: "moved",
      placement: { node: "a2" },
    });
  });
});
