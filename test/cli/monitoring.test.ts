import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { toRegistry } from "../../src/cli/metrics/collect";

const REPOSITORY = join(__dirname, "..", "..");
const read = (...path: string[]) => readFileSync(join(REPOSITORY, ...path), "utf8");
const namesIn = (text: string) => new Set(text.match(/proxmox_federation_\w+/g));

describe("the series of records", () => {
  it("give each pool its period of drills, and every declared path a count from the start", async () => {
    const proof = { pool: "web", index: 0, failuresSince: 0, periodMs: 60 * 86_400_000 };
    const newest = { at: "2026-01-02T03:04:05Z", name: "web-1", target: "b/b1" };
    const restores = [
      { ...proof, state: "tested" as const, newest },
      { ...proof, pool: "db", state: "never" as const },
    ];
    const registry = toRegistry({
      status: { federation: "acme", clusters: [], records: { restores, ways: [] } },
      scrapeSeconds: 0,
      moves: {
        log: [{ result: "rolled-back", from: { cluster: "b", node: "b1", vmid: 1 }, to: { cluster: "c", node: "c1" } }],
        paths: [{ sourceCluster: "a", targetCluster: "b" }],
      },
    });
    const lines = (await registry.metrics()).split("\n").filter((line) => /^proxmox_federation_(restore|moves)/.test(line));
    expect(lines).toEqual([
      `proxmox_federation_restore_tested_time_seconds{pool="web",federation="acme"} ${Date.parse(newest.at) / 1000}`,
      'proxmox_federation_restore_test_period_seconds{pool="web",federation="acme"} 5184000',
      'proxmox_federation_restore_test_period_seconds{pool="db",federation="acme"} 5184000',
      'proxmox_federation_moves_total{from="a",to="b",result="moved",federation="acme"} 0',
      'proxmox_federation_moves_total{from="a",to="b",result="rolled-back",federation="acme"} 0',
      'proxmox_federation_moves_total{from="a",to="b",result="unfinished",federation="acme"} 0',
      'proxmox_federation_moves_total{from="b",to="c",result="rolled-back",federation="acme"} 1',
    ]);
  });
});

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
