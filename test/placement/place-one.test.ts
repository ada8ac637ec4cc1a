import { describe, expect, it } from "vitest";
import type { Inventory, PlacementRequest, Promised } from "../../src/placement";
import { explainLine, placeOne } from "../../src/placement";
import { cluster, GIB, guest, inventory, node, pool, request, rule, storage } from "./builders";

/** `cluster/node`, or the message of a refusal. */
function where(asked: PlacementRequest, facts: Inventory, promised: Promised[] = []): string {
  const result = placeOne(asked, facts, promised);
  return result.ok ? `${result.placement.cluster}/${result.placement.node}` : result.message;
}

const at = (place: string, storages: string[] = []) => {
  const [clusterId = "", nodeName = ""] = place.split("/");
  return { cluster: clusterId, node: nodeName, storages };
};

describe("a new guest", () => {
  it("goes where more is left of the scarcer of cores and memory", () => {
    const facts = inventory(
      cluster("a", [node("a1", { guests: [guest({ cores: 4 })] }), node("a2", { guests: [guest({ cores: 1, memoryMiB: 8192 })] })]),
    );
    // a1: 5 of 8 cores = 625 ‰, the scarcer there; a2: 9 of 16 GiB = 563 ‰, the scarcer there.
    expect(where(request("vm"), facts)).toBe("a/a2");
  });

  it("counts what this run has promised", () => {
    const facts = inventory(cluster("a", [node("a1"), node("a2")]));
    const first = request("first");
    const there = placeOne(first, facts, []);
    expect(there.ok).toBe(true);
    if (!there.ok) return;
    const second = placeOne(request("second"), facts, [{ request: first, placement: there.placement }]);
    expect(second.ok && second.placement.node).not.toBe(there.placement.node);
  });

  it("does not count an earlier promise of its own", () => {
    const facts = inventory(cluster("a", [node("a1", { cores: 2 })]));
    const asked = request("vm", { cores: 2 });
    expect(where(asked, facts, [{ request: asked, placement: at("a/a1") }])).toBe("a/a1");
  });

  it("gets one storage per disk, by class", () => {
    const facts = inventory(
      cluster("a", [node("a1")], {
        storageClasses: { "": "local", fast: "nvme" },
        storages: [storage("local", ["a1"]), storage("nvme", ["a1"])],
      }),
    );
    const disks = [
      { name: "scsi0", storageClass: "", sizeBytes: GIB },
      { name: "scsi1", storageClass: "fast", sizeBytes: GIB },
    ];
    const result = placeOne(request("vm", { disks }), facts, []);
    expect(result.ok && result.placement.storages).toEqual(["local", "nvme"]);
  });
});

describe("a guest with a prior placement", () => {
  const twoNodes = (status: "active" | "cordoned" | "draining", own = true) =>
    inventory(
      cluster("a", [node("a1", { status, guests: own ? [guest({ key: "vm" })] : [] }), node("a2")]),
      cluster("b", [node("b1", { cores: 64, memoryMiB: 1 << 20 })]),
    );
  const stays = request("vm", { prior: at("a/a1") });

  it.each([
    ["active", "a/a1"],
    ["cordoned", "a/a1"],
    ["draining", "a/a2"],
  ] as const)("on a node that is %s ends at %s", (status, expected) => {
    expect(where(stays, twoNodes(status))).toBe(expected);
  });

  it.each([
    ["active", "a/a1"],
    ["cordoned", "a/a1"],
    ["draining", "b/b1"],
    ["lost", "b/b1"],
  ] as const)("in a cluster that is %s ends at %s", (status, expected) => {
    const facts = twoNodes("active");
    if (facts.clusters[0] !== undefined) facts.clusters[0].status = status;
    expect(where(stays, facts)).toBe(expected);
  });

  it("stays in a cluster that does not answer, whatever else is wrong there", () => {
    const facts = inventory(
      cluster("a", [], { reachable: false, unreachableReason: "timeout", status: "draining" }),
      cluster("b", [node("b1")]),
    );
    expect(where(request("vm", { prior: at("a/a1"), networks: ["missing"] }), facts)).toBe("a/a1");
    expect(where(request("new"), facts)).toBe("b/b1");
  });

  it("leaves a cluster that is lost, though that does not answer either", () => {
    const facts = inventory(cluster("a", [], { reachable: false, status: "lost" }), cluster("b", [node("b1")]));
    expect(where(request("vm", { prior: at("a/a1") }), facts)).toBe("b/b1");
  });

  it("stays on a node that is offline; a newcomer avoids it", () => {
    const facts = inventory(cluster("a", [node("a1", { online: false }), node("a2", { cores: 2, guests: [guest()] })]));
    expect(where(stays, facts)).toBe("a/a1");
    expect(where(request("new"), facts)).toBe("a/a2");
  });

  it("stays on a node that others filled beyond its capacity", () => {
    const facts = inventory(cluster("a", [node("a1", { cores: 4, guests: [guest({ key: "vm" }), guest({ cores: 16 })] }), node("a2")]));
    expect(where(stays, facts)).toBe("a/a1");
  });

  it("moves to another node of its cluster when it grows beyond its node, though another cluster scores higher", () => {
    const facts = twoNodes("active");
    facts.clusters[0]?.nodes[0]?.guests.push(guest({ cores: 5 }));
    expect(where({ ...stays, cores: 4 }, facts)).toBe("a/a2");
  });

  it("keeps image and template out of the question", () => {
    expect(where({ ...stays, image: "gone", template: "gone" }, twoNodes("active"))).toBe("a/a1");
    expect(where(request("new", { image: "gone" }), twoNodes("active"))).toContain("3 without image gone");
  });

  it("asks the storage only for what a disk grows by", () => {
    const own = guest({ key: "vm", disks: [{ storage: "main", sizeBytes: 60 * GIB }] });
    const facts = inventory(
      cluster("a", [node("a1", { guests: [own] })], {
        storages: [storage("main", ["a1"], { totalBytes: 100 * GIB, usedBytes: 60 * GIB })],
      }),
    );
    const grown = (gib: number) =>
      where(request("vm", { prior: at("a/a1", ["main"]), disks: [{ name: "scsi0", storageClass: "", sizeBytes: gib * GIB }] }), facts);
    expect(grown(60)).toBe("a/a1");
    expect(grown(100)).toBe("a/a1");
    expect(grown(101)).toContain("free 1 GiB on storage main");
  });

  it("says which disk changes storage when its class means another one, and stays on the node", () => {
    const facts = inventory(
      cluster("a", [node("a1")], {
        storageClasses: { fast: "nvme" },
        storages: [storage("nvme", ["a1"])],
      }),
    );
    const asked = request("vm", { prior: at("a/a1", ["old"]), disks: [{ name: "scsi0", storageClass: "fast", sizeBytes: GIB }] });
    const result = placeOne(asked, facts, []);
    expect(result.ok && result.placement).toEqual(at("a/a1", ["nvme"]));
    expect(result.explanation).toMatchObject({
      outcome: "moved",
      moveReason: "disk scsi0 is on old and storage class fast is nvme",
    });
  });

  it("keeps the storage of a disk whose class is no longer mapped", () => {
    const facts = inventory(cluster("a", [node("a1")], { storageClasses: {} }));
    const asked = request("vm", { prior: at("a/a1", ["main"]), disks: [{ name: "scsi0", storageClass: "fast", sizeBytes: GIB }] });
    expect(placeOne(asked, facts, [])).toMatchObject({ ok: true, placement: at("a/a1", ["main"]), explanation: { outcome: "kept" } });
  });
});

describe("hard rules", () => {
  const facts = () =>
    inventory(
      cluster("a", [node("a1", { tags: ["gpu"] })], {
        tier: "edge",
        provider: "Worldstream",
        jurisdiction: "NL",
        location: { name: "Amsterdam, NL" },
        tags: ["prod"],
      }),
      cluster("b", [node("b1")], { tier: "secondary", provider: "Hetzner", jurisdiction: "FI", location: { name: "Helsinki, Finland" } }),
    );
  it.each([
    ["affinity must cluster a", "a/a1"],
    ["affinity must_not cluster a", "b/b1"],
    ["affinity must cluster prod", "a/a1"],
    ["affinity must tag prod", "a/a1"],
    ["affinity must tag gpu", "a/a1"],
    ["affinity must node b1", "b/b1"],
    ["affinity must node a/a1", "a/a1"],
    ["affinity must provider worldstream", "a/a1"],
    ["affinity must tier secondary", "b/b1"],
    ["affinity must jurisdiction FI", "b/b1"],
    ["anti-affinity must cluster a", "b/b1"],
    ["anti-affinity must provider hetzner", "a/a1"],
    ["location must location amsterdam", "a/a1"],
    ["location must_not location Amsterdam", "b/b1"],
    ["location must_not cluster a", "b/b1"],
    ["location must_not cluster Amsterdam", "b/b1"],
    ["residency must jurisdiction NL", "a/a1"],
    // `Finland` contains the letters nl, which is no reason to keep Dutch data there.
    ["residency must location nl", "a/a1"],
    ["residency must_not jurisdiction NL", "b/b1"],
  ])("%s → %s", (text, expected) => {
    expect(where(request("vm", { rules: [rule(text)] }), facts())).toBe(expected);
    expect(where(request("vm", { pool: pool({ rules: [rule(text)] }) }), facts())).toBe(expected);
  });

  it("residency of the request is any one of its entries", () => {
    expect(where(request("vm", { residency: ["DE", "FI"] }), facts())).toBe("b/b1");
    expect(where(request("vm", { residency: ["DE"] }), facts())).toContain("2 outside DE");
  });

  it("a double negation is refused, not guessed at", () => {
    const refused = where(request("vm", { rules: [rule("anti-affinity must_not tag db")] }), facts());
    expect(refused).toContain('cannot follow rule "anti-affinity must_not tag db"');
  });

  it("a rule towards a storage wants every disk on it", () => {
    const world = inventory(
      cluster("a", [node("a1")], {
        storageClasses: { "": "main", fast: "nvme" },
        storages: [storage("main", ["a1"]), storage("nvme", ["a1"])],
      }),
    );
    const disks = [
      { name: "scsi0", storageClass: "", sizeBytes: 1 },
      { name: "scsi1", storageClass: "fast", sizeBytes: 1 },
    ];
    expect(where(request("vm", { disks, rules: [rule("affinity must storage nvme")] }), world)).toContain("0 of 1 node fit");
    expect(where(request("vm", { disks: disks.slice(1), rules: [rule("affinity must storage nvme")] }), world)).toBe("a/a1");
    expect(where(request("vm", { disks, rules: [rule("affinity must_not storage nvme")] }), world)).toContain("0 of 1 node fit");
  });
});

describe("rules between guests", () => {
  const db = (extra = {}) => guest({ tags: ["DB"], name: "db-1", ...extra });

  it("a pool's anti-affinity spreads the guests that carry the tag and leaves the others alone", () => {
    const facts = inventory(cluster("a", [node("a1", { guests: [db()] }), node("a2", { guests: [guest({ cores: 4 })] })]));
    const spread = pool({ rules: [rule("anti-affinity must tag db")] });
    expect(where(request("vm", { pool: spread, tags: ["db"] }), facts)).toBe("a/a2");
    expect(where(request("vm", { pool: spread, tags: ["web"] }), facts)).toBe("a/a1");
  });

  it("a guest's own anti-affinity binds it whatever its tags", () => {
    const facts = inventory(cluster("a", [node("a1", { guests: [db()] }), node("a2", { guests: [guest({ cores: 4 })] })]));
    expect(where(request("vm", { rules: [rule("anti-affinity must tag db")] }), facts)).toBe("a/a2");
  });

  it("scope cluster keeps guests in different clusters", () => {
    const facts = inventory(cluster("a", [node("a1", { guests: [db()] }), node("a2")]), cluster("b", [node("b1", { guests: [guest()] })]));
    expect(where(request("vm", { rules: [rule("anti-affinity must tag db", { scope: "cluster" })] }), facts)).toBe("b/b1");
  });

  it("a guest placed in this run keeps later ones away by its own rule", () => {
    const facts = inventory(cluster("a", [node("a1", { cores: 64, memoryMiB: 1 << 20 }), node("a2")]));
    const hermit = request("hermit", { rules: [rule("anti-affinity must tag web")] });
    const promised = [{ request: hermit, placement: at("a/a1") }];
    expect(where(request("vm", { tags: ["web"] }), facts, promised)).toBe("a/a2");
    expect(where(request("vm", { tags: ["other"] }), facts, promised)).toBe("a/a1");
  });

  it("affinity on a guest tag joins the group; its first member may start anywhere", () => {
    const facts = inventory(cluster("a", [node("a1", { guests: [db({ cores: 6 })] }), node("a2")]));
    const together = [rule("affinity must tag db")];
    expect(where(request("vm", { rules: together }), facts)).toBe("a/a1");
    const empty = inventory(cluster("a", [node("a1")]));
    expect(where(request("vm", { rules: together, tags: ["db"] }), empty)).toBe("a/a1");
    expect(where(request("vm", { rules: together }), empty)).toContain("without a guest tagged db");
  });
});

describe("limits", () => {
  it.each([
    [{ maxVms: 1 }, "pool production is out of guests: limit 1, used 1, needs 1"],
    [{ maxCores: 2 }, "pool production is out of cores: limit 2, used 2, needs 1"],
    [{ maxMemoryMiB: 2500 }, "pool production is out of memory: limit 2500 MiB, used 2048 MiB, needs 1024 MiB"],
    [{ maxStorageBytes: 10 * GIB }, "pool production is out of storage: limit 10 GiB, used 8 GiB, needs 4 GiB"],
  ])("%j of the pool counts live guests", (limits, expected) => {
    const member = guest({ pool: "production", cores: 2, memoryMiB: 2048, diskBytes: 8 * GIB });
    const facts = inventory(cluster("a", [node("a1", { guests: [member] })]));
    const asked = request("vm", { pool: pool({ limits }), disks: [{ name: "scsi0", storageClass: "", sizeBytes: 4 * GIB }] });
    expect(where(asked, facts)).toContain(expected);
  });

  it("counts promises in the pool once, also of a guest that is live already", () => {
    const limits = { maxVms: 2 };
    const facts = inventory(cluster("a", [node("a1", { guests: [guest({ key: "one", pool: "production" })] })]));
    const one = request("one", { pool: pool({ limits }) });
    expect(where(request("two", { pool: pool({ limits }) }), facts, [{ request: one, placement: at("a/a1") }])).toBe("a/a1");
  });

  it("lowering a limit evicts nobody, growing beyond it is refused", () => {
    const facts = inventory(
      cluster("a", [node("a1", { guests: [guest({ key: "vm", pool: "production", cores: 2 }), guest({ pool: "production", cores: 2 })] })]),
    );
    const asked = (cores: number) => request("vm", { cores, prior: at("a/a1"), pool: pool({ limits: { maxCores: 3 } }) });
    expect(where(asked(2), facts)).toBe("a/a1");
    expect(where(asked(3), facts)).toContain("pool production is out of cores");
  });

  it("the cluster's limit on guests counts everybody's", () => {
    const facts = inventory(cluster("a", [node("a1", { guests: [guest(), guest()] })], { maxVms: 2 }));
    expect(where(request("vm"), facts)).toContain("1 at the limit of 2 guests");
  });

  it("applies over-commit and reserve as the guide defines them", () => {
    // 2 cores: 2 x 4 - 2 x 0.10 = 7.8; 10000 MiB: 10000 x 1.0 - 10000 x 0.15 = 8500.
    const facts = inventory(
      cluster("a", [node("a1", { cores: 2, memoryMiB: 10000 })], {
        capacityRules: {
          overcommit: { cpu: 4, memory: 1, storage: 1.5 },
          reserve: { cpu: 0.1, memory: 0.15, storage: 0.1 },
          pressureThreshold: { cpu: 0.75, memory: 0.7, storage: 0.8 },
        },
        storages: [storage("main", ["a1"], { totalBytes: 100 * GIB, usedBytes: 30 * GIB, allocatedBytes: 120 * GIB })],
      }),
    );
    expect(where(request("vm", { cores: 7 }), facts)).toBe("a/a1");
    expect(where(request("vm", { cores: 8 }), facts)).toContain("1 lacks 0.2 cores (needs 8, has 7.8)");
    expect(where(request("vm", { memoryMiB: 8500 }), facts)).toBe("a/a1");
    expect(where(request("vm", { memoryMiB: 8501 }), facts)).toContain("1 lacks 1 MiB memory (needs 8501, has 8500)");
    // min(100 - 30 - 10, 150 - 120) = 30 GiB.
    const disk = (gib: number) => request("vm", { disks: [{ name: "d", storageClass: "", sizeBytes: gib * GIB }] });
    expect(where(disk(30), facts)).toBe("a/a1");
    expect(where(disk(31), facts)).toContain("free 1 GiB on storage main of a");
  });
});

describe("a refusal", () => {
  it("counts what keeps the nodes from fitting and says what would help where it was nearest", () => {
    const facts = inventory(
      cluster("a", [node("a1"), node("a2"), node("a3")], { status: "draining" }),
      cluster("b", [node("b1", { memoryMiB: 4096 })]),
      cluster("c", [node("c1"), node("c2")]),
    );
    expect(where(request("db", { memoryMiB: 8192, pool: pool() }), facts)).toBe(
      "Cannot place db: 0 of 6 nodes fit: 3 draining, 2 not in pool production, 1 lacks 4096 MiB memory (needs 8192, has 4096). " +
        "What would help: free 4096 MiB memory on b/b1, ask for less, or add a node.",
    );
  });

  it("counts a node once that two rules forbid in the same words", () => {
    const facts = inventory(cluster("a", [node("a1", { guests: [guest({ tags: ["web"] })] })]));
    const rules = [rule("anti-affinity must tag web", { scope: "node" }), rule("affinity must_not tag web", { scope: "node" })];
    expect(where(request("vm", { rules }), facts)).toMatch(/^Cannot place vm: 0 of 1 node fit: 1 with a guest tagged web/);
  });

  it("names every shortfall of a node", () => {
    const facts = inventory(cluster("a", [node("a1", { cores: 1, memoryMiB: 512 })]));
    const result = placeOne(request("vm", { cores: 2 }), facts, []);
    expect(result.explanation.candidates).toMatchObject([
      {
        rejected: {
          filter: "resources",
          reasons: ["node a/a1 lacks 1 cores (needs 2, has 1 of 1)", "node a/a1 lacks 512 MiB memory (needs 1024, has 512 of 512)"],
        },
      },
    ]);
  });

  it("tells 'never' from 'not before others move'", () => {
    const facts = inventory(cluster("a", [node("a1", { cores: 2, guests: [guest({ cores: 2 })] })]));
    const could = (cores: number) =>
      placeOne(request("vm", { cores }), facts, []).explanation.candidates[0]?.rejected?.shortfalls?.map(
        ({ ifOthersMove }) => ifOthersMove,
      );
    expect(could(2)).toEqual([true]);
    expect(could(3)).toEqual([false]);
  });

  it("says so when nothing is known at all", () => {
    expect(where(request("vm"), inventory())).toBe("Cannot place vm: no node is known. Declare a cluster with nodes.");
  });
});

describe("explainLine", () => {
  it("is one line with reason, score and runner-up", () => {
    const facts = inventory(
      cluster("worldstream-prod", [node("ws-1", { guests: [guest({ key: "vm" })] })], { status: "draining" }),
      cluster("databarn-dr", [node("db-1"), node("db-2", { guests: [guest({ cores: 2 })] })], { tier: "secondary" }),
    );
    const result = placeOne(request("vm", { prior: at("worldstream-prod/ws-1") }), facts, []);
    // db-1: headroom 1000 - 125 = 875 x 0.7 = 612, pressure 200, tier 83; db-2: 1000 - 375 = 625 x 0.7 = 437.
    expect(explainLine(result)).toBe("databarn-dr/db-1: worldstream-prod is draining; balanced 895, next db-2 720");
  });
});
