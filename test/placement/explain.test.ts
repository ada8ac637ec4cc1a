import { describe, expect, it } from "vitest";
import { explainJson, explainLine, explainText, placeOne } from "../../src/placement";
import { cluster, guest, inventory, node, request } from "./builders";

const facts = inventory(
  cluster("a", [node("a1", { guests: [guest({ cores: 8 })] }), node("a2")]),
  cluster("b", [node("b1")], { status: "cordoned" }),
);

describe("explanations", () => {
  it("list every candidate with its score by term or the reason why not", () => {
    expect(explainText(placeOne(request("vm"), facts, []))).toBe(
      [
        "vm → a/a2: balanced 912, nothing else fits",
        "  a/a2  score 912",
        "    +612  headroom: 125 ‰ of cores and 63 ‰ of memory allocated with it: 875 of 1000, counted 700 ‰",
        "    +200  pressure: pressure of cores 0 ‰, memory 0 ‰, storage 0 ‰: 1000 of 1000, counted 200 ‰",
        "    +100  tier: tier primary: 1000 of 1000, counted 100 ‰",
        "  a/a1  no (resources): node a/a1 lacks 1 cores (needs 1, has 0 of 8)",
        "  b  no (cluster-status): b is cordoned",
      ].join("\n"),
    );
  });

  it("say in a line that a guest stays, or why nothing fits", () => {
    const prior = { cluster: "a", node: "a2", storages: [] };
    expect(explainLine(placeOne(request("vm", { prior }), facts, []))).toBe("a/a2: kept");
    expect(explainLine(placeOne(request("vm", { cores: 99 }), facts, []))).toMatch(/^Cannot place vm: 0 of 3 nodes fit: 2 lack 91 cores/);
  });

  it("are plain JSON without undefined, which a Pulumi input may not hold", () => {
    for (const cores of [1, 99]) {
      const json = explainJson(placeOne(request("vm", { cores }), facts, []));
      expect(json).toStrictEqual(JSON.parse(JSON.stringify(json)));
    }
  });

  it("count what is too much to list", () => {
    const many = inventory(
      cluster(
        "a",
        Array.from({ length: 30 }, (_, index) => node(`n${index}`)),
      ),
    );
    expect(explainText(placeOne(request("vm"), many, []))).toContain("  10 more also fit");
  });
});
