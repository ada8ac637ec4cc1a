import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { topologyMermaid, topologyPage, topologySvg } from "../../src/report";
import { type Box, layOut } from "../../src/report/layout";
import { guest, MOVE, topology } from "./sample";

const overlap = (a: Box, b: Box) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
const inside = (inner: Box, outer: Pick<Box, "width" | "height">) =>
  inner.x >= 0 && inner.y >= 0 && inner.x + inner.width <= outer.width && inner.y + inner.height <= outer.height;
const pairs = <T>(items: T[]) => items.flatMap((first, index) => items.slice(index + 1).map((second): [T, T] => [first, second]));

describe("the layout", () => {
  it("puts nothing over anything else and everything inside, whatever the size", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 0, max: 14 }),
        (clusters, nodes, guestsPerNode) => {
          const layout = layOut(topology({ clusters, nodes, guestsPerNode }));
          for (const [a, b] of pairs(layout.clusters)) expect(overlap(a, b)).toBe(false);
          for (const cluster of layout.clusters) {
            expect(inside(cluster, layout)).toBe(true);
            for (const [a, b] of pairs(cluster.nodes)) expect(overlap(a, b)).toBe(false);
            for (const node of cluster.nodes) {
              expect(inside(node, cluster)).toBe(true);
              for (const [a, b] of pairs(node.cells)) expect(overlap(a, b)).toBe(false);
              for (const cell of node.cells) expect(inside(cell, node)).toBe(true);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("gives a guest that moves a cell on both sides", () => {
    const { clusters } = layOut(topology({ clusters: 2, nodes: 2, guestsPerNode: 1 }, [MOVE]));
    const cells = clusters.flatMap((cluster) =>
      cluster.nodes.flatMap((node) =>
        node.cells.map(({ guest: { name }, when }) => [`${cluster.cluster.id}/${node.node.name}`, name, when]),
      ),
    );
    expect(cells.filter(([, name]) => name === "vm-100")).toEqual([
      ["c0/n0", "vm-100", "before"],
      ["c1/n1", "vm-100", "after"],
    ]);
  });
});

describe("the picture", () => {
  it("shows clusters, nodes, fill before and after, and an arrow for a move", () => {
    const svg = topologySvg(topology({ clusters: 2, nodes: 2, guestsPerNode: 1 }, [MOVE]));
    expect(svg.match(/class="cluster active"/g)).toHaveLength(2);
    expect(svg.match(/class="node"/g)).toHaveLength(4);
    expect(svg.match(/class="move"/g)).toHaveLength(1);
    expect(svg).toContain("mem: 2 %, then 0 % of what may be handed out");
    expect(svg).toContain("mem: 2 %, then 4 % of what may be handed out");
  });

  it("keeps names text, in the picture, the page and the diagram", () => {
    const evil = `"><script>alert(1)</script>'&`;
    const sample = topology({ clusters: 1, nodes: 1, guestsPerNode: 0 }, [
      { ...MOVE, guest: undefined, name: evil, from: undefined, to: { cluster: "c0", node: "n0" }, why: evil },
    ]);
    sample.clusters[0]!.nodes[0]!.guests.push(guest("c0", 1, { name: evil, tags: [evil], pool: evil }));
    sample.clusters[0]!.about.push(evil);
    for (const text of [topologySvg(sample), topologyPage(sample, evil)]) {
      expect(text).not.toContain("<script>alert");
      expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
    }
    expect(topologyMermaid(sample)).not.toMatch(/<script>|"">/);
  });
});

describe("the diagram", () => {
  it("has a subgraph per cluster and one arrow per route", () => {
    const second = { ...MOVE, guest: "c0/101", name: "vm-101" };
    expect(topologyMermaid(topology({ clusters: 2, nodes: 2, guestsPerNode: 1 }, [MOVE, second]))).toBe(
      [
        "flowchart LR",
        '  subgraph c0["c0 · Provider · Amsterdam"]',
        '    c0n0["n0: 1 guest, memory 2 %<br/>vm-100"]',
        '    c0n1["n1: 1 guest, memory 2 %<br/>vm-101"]',
        "  end",
        '  subgraph c1["c1 · Provider · Amsterdam"]',
        '    c1n0["n0: 1 guest, memory 2 %<br/>vm-102"]',
        '    c1n1["n1: 1 guest, memory 2 %<br/>vm-103"]',
        "  end",
        '  c0n0 -->|"vm-100, vm-101"| c1n1',
        "",
      ].join("\n"),
    );
  });
});
