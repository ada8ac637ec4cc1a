import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { toRegistry } from "../../src/cli/metrics/collect";

const REPOSITORY = join(__dirname, "..", "..");
const read = (...path: string[]) => readFileSync(join(REPOSITORY, ...path), "utf8");
const namesIn = (text: string) => new Set(text.match(/proxmox_federation_\w+/g));

describe("what comes with the metrics", () => {
  const exported = new Set(
    toRegistry({ status: { federation: "acme", clusters: [], records: { restores: [], ways: [] } }, scrapeSeconds: 0 })
      .getMetricsAsArray()
      .map(({ name }) => name),
  );

  it("documents every metric, and no other", () => {
    expect([...namesIn(read("docs", "metrics.md"))].sort()).toEqual([...exported].sort());
  });

  it.each(["grafana-dashboard.json", "alert-rules.yml"])("%s asks for metrics that exist", (file) => {
    const names = namesIn(read("monitoring", file));
    expect(names.size).toBeGreaterThan(5);
    for (const name of names) expect(exported).toContain(name);
  });

  it("gives every alert a name, a severity and a summary", () => {
    const { groups } = parse(read("monitoring", "alert-rules.yml")) as {
      groups: { rules: { alert: string; expr: string; labels: { severity: string }; annotations: { summary: string } }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    for (const { alert, expr, labels, annotations } of rules)
      expect([alert, expr, labels.severity, annotations.summary].every((text) => text.length > 0)).toBe(true);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  it("puts the dashboard's panels side by side, none over another", () => {
    const { panels } = JSON.parse(read("monitoring", "grafana-dashboard.json")) as {
      panels: { title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
  });
});
