import { describe, expect, it } from "vitest";
import { decide } from "../../src/cli/allocate/decide";
import { parseInstant } from "../../src/cli/option-values";
import { parseFederation } from "../../src/config";

describe("--at", () => {
  it.each([
    ["2026-03-01T22:00:00Z", Date.UTC(2026, 2, 1, 22)],
    ["2026-03-01T22:00Z", Date.UTC(2026, 2, 1, 22)],
    ["2026-03-01T23:00:00+01:00", Date.UTC(2026, 2, 1, 22)],
  ])("%s is an instant", (text, expected) => expect(parseInstant(text)).toBe(expected));

  it.each(["2026-03-01T22:00:00", "2026-03-01", "22:00", "tomorrow", "", "2026-13-01T22:00:00Z"])(
    "%j is none: its zone is not known",
    (text) => {
      expect(() => parseInstant(text)).toThrow("an instant with its zone");
    },
  );

  it("decides which windows are open", () => {
    const { federation } = parseFederation(
      `
name: fed
clusters:
  - { id: day, nodes: [{ name: d1, cores: 8, memory: 32GiB }] }
  - { id: night, nodes: [{ name: n1, cores: 8, memory: 32GiB }] }
resource_pools:
  - name: pool
    clusters: [day, night]
    placement_policy:
      rules:
        - { type: affinity, target: cluster, operator: must, value: day, window: { start: "08:00", end: "20:00" } }
        - { type: affinity, target: cluster, operator: must, value: night, window: { start: "20:00", end: "08:00" } }
`,
      "f.yaml",
    );
    const asked = federation.clusters.map((cluster) => ({
      cluster,
      ok: false as const,
      kind: "not-contacted" as const,
      reason: "offline",
    }));
    const at = (hour: number) =>
      decide(
        federation,
        federation.resourcePools[0]!,
        { cores: 1, memoryBytes: 2 ** 30, storageBytes: 0 },
        asked,
        Date.UTC(2026, 2, 4, hour),
      ).result;
    expect(at(12)).toMatchObject({ ok: true, placement: { cluster: "day" } });
    expect(at(21)).toMatchObject({ ok: true, placement: { cluster: "night" } });
  });
});
