import { createRequire } from "node:module";
import { beforeAll, describe, expect, it } from "vitest";
import { type Inventory, type LinearSolver, type PlacementRequest, solveExactly } from "../../../src/placement";
import { formatLp, reduced } from "../../../src/placement/exact/linear-model";
import { loadHighs } from "../../../src/solver";
import { cluster, guest, inventory, node, pool, request, rule } from "../builders";

interface Case {
  requests: PlacementRequest[];
  inventory: Inventory;
}

const { repairCase }: { repairCase(seed: number): Case } = createRequire(import.meta.url)("../../../bench/placement/repair-cases.cjs");

const at = (name: string) => ({ cluster: "a", node: name, storages: [] });

let highs: LinearSolver;
beforeAll(async () => {
  highs = await loadHighs();
});

describe("solveExactly", () => {
  it("finds the one way out", async () => {
    const facts = inventory(
      cluster("a", [
        node("n1", { cores: 4, guests: [guest({ key: "x", cores: 4 })] }),
        node("n2", { cores: 4, guests: [guest({ key: "y", cores: 3 })] }),
        node("n3", { cores: 3 }),
      ]),
    );
    const requests = [
      request("x", { cores: 4, prior: at("n1") }),
      request("y", { cores: 3, prior: at("n2") }),
      request("new", { cores: 4, rules: [rule("affinity must node n1")] }),
    ];
    const plan = await solveExactly(requests, facts, highs, { makeRoom: true });
    expect(plan.decisions.map(({ key, placement }) => `${key} ${placement?.node}`)).toEqual(["x n2", "y n3", "new n1"]);
    expect(plan).toMatchObject({ displaced: ["x", "y"], isProven: true });
  });

  it("keeps company together and enemies apart", async () => {
    const spread = pool({ clusters: ["a"], rules: [rule("anti-affinity must tag db")] });
    const facts = inventory(
      cluster("a", [
        node("n1", { status: "draining", guests: [guest({ key: "one", tags: ["db"] }), guest({ key: "two", tags: ["db"] })] }),
        node("n2"),
        node("n3"),
      ]),
    );
    const requests = [
      request("one", { tags: ["db"], pool: spread, prior: at("n1") }),
      request("two", { tags: ["db"], pool: spread, prior: at("n1") }),
      request("friend", { rules: [rule("affinity must tag db")] }),
    ];
    const plan = await solveExactly(requests, facts, highs);
    const places = plan.decisions.map(({ placement }) => placement?.node);
    expect([...places.slice(0, 2)].sort()).toEqual(["n2", "n3"]);
    expect(places.slice(0, 2)).toContain(places[2]);
  });

  it("solves a program that the presolve of HiGHS takes for infeasible", async () => {
    const { requests, inventory: facts } = repairCase(615);
    expect(await solveExactly(requests, facts, highs)).toMatchObject({ counts: { kept: 45, moved: 7, rejected: 4 } });
  });

  it("refuses a federation that is too large for it", async () => {
    const facts = inventory(cluster("a", [node("n1"), node("n2")]));
    const many = Array.from({ length: 5 }, (_, index) => request(`vm-${index}`));
    await expect(solveExactly(many, facts, highs, { mostVariables: 10 })).rejects.toMatchObject({ code: "too-large" });
  });

  it("passes on that the solver stopped early", async () => {
    const facts = inventory(cluster("a", [node("n1")]));
    const stopped: LinearSolver = async () => ({ status: "unfinished", values: {} });
    await expect(solveExactly([request("vm")], facts, stopped)).rejects.toMatchObject({ code: "unfinished" });
  });
});

describe("formatLp", () => {
  it("writes a program as every solver reads it", () => {
    const text = formatLp({
      variables: ["x", "y"],
      objective: [{ coefficient: 3, variable: "x" }],
      constraints: [
        {
          terms: [
            { coefficient: 2, variable: "x" },
            { coefficient: -1, variable: "y" },
          ],
          relation: "<=",
          bound: 1,
        },
      ],
    });
    expect(text).toBe("Minimize\n cost: 3 x\nSubject To\n c0: 2 x - 1 y <= 1\nBinary\n x y\nEnd\n");
  });

  it("divides by what coefficients have in common, and rounds the bound so that nothing is lost", () => {
    const terms = [
      { coefficient: 4096, variable: "x" },
      { coefficient: 2048, variable: "y" },
    ];
    expect(reduced({ terms, relation: "<=", bound: 5000 })).toEqual({
      terms: [
        { coefficient: 2, variable: "x" },
        { coefficient: 1, variable: "y" },
      ],
      relation: "<=",
      bound: 2,
    });
  });
});
