import { describe, expect, it } from "vitest";
import { waysOf } from "../../src/cli/audit/ways";
import { type DrillEntry, drillLogFile } from "../../src/cli/drill/log";
import { proofProblem, restoreProofs } from "../../src/cli/drill/proof";
import { plain } from "../../src/cli/io";
import { recordLines } from "../../src/cli/status/records";
import { lintRestores } from "../../src/cli/validate/lints/restores";
import { type Federation, parseFederation } from "../../src/config";
import type { AuditEntry } from "../../src/providers/audit";

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 5, 1);

function federationOf(more = ""): Federation {
  const text = `name: acme
clusters: [{ id: a }, { id: b }]
resource_pools:
  - { name: scratch, clusters: [a] }
  - { name: web, clusters: [a, b], replication: { schedule: "02:00", store: vault } }
backup_stores: [{ name: vault, type: pbs, storages: { a: vault, b: vault } }]
${more}`;
  return parseFederation(text, "f.yaml").federation;
}

function entry(daysAgo: number, changes: Partial<DrillEntry> = {}): DrillEntry {
  const at = new Date(NOW_MS - daysAgo * DAY_MS).toISOString();
  return { at, federation: "acme", pool: "web", cluster: "a", vmid: 100, name: "web-1", target: "b/b1", result: "restored", ...changes };
}

const lints = (log: DrillEntry[] | undefined, federation = federationOf()) =>
  lintRestores(restoreProofs(federation, log, NOW_MS), NOW_MS).map(
    ({ path, message, suggestion }) => `${path.join(".")}: ${message}. ${suggestion}`,
  );

describe("whether a restore is tested", () => {
  it("counts a success of the last 90 days, or of the period that the file sets", () => {
    expect(lints([entry(89)])).toEqual([]);
    expect(lints([entry(91)])).toEqual([
      "resource_pools.1.replication: the last tested restore of pool `web` was 91 d ago (web-1); one is due every 90 d. Run `federate drill --pool web`.",
    ]);
    expect(lints([entry(91)], federationOf("failover: { drill_period: 120d }"))).toEqual([]);
    expect(lints([entry(8)], federationOf("failover: { drill_period: 7d }"))).toHaveLength(1);
  });

  it("goes by the newest success, in whatever order the lines stand, and counts failures after it", () => {
    const [proof] = restoreProofs(
      federationOf(),
      [entry(1, { result: "failed" }), entry(10), entry(2, { result: "failed" }), entry(20)],
      NOW_MS,
    );
    expect(proof).toMatchObject({ pool: "web", state: "tested", failuresSince: 2, newest: { name: "web-1", at: entry(10).at } });
  });

  it("takes no drill of another pool or federation for one of this pool", () => {
    expect(lints([entry(1, { pool: "other" }), entry(1, { federation: "else" })])).toEqual([
      "resource_pools.1.replication: no restore of pool `web` has ever been tested. Run `federate drill --pool web`.",
    ]);
    expect(lints([entry(1, { result: "failed" })])[0]).toContain("has ever succeeded (tried: 1)");
  });

  it("says where to keep a record when none is kept", () => {
    expect(lints(undefined)).toEqual([
      "resource_pools.1.replication: nothing records whether the backups of pool `web` can be restored. Set failover.drill_log, then run `federate drill --pool web`.",
    ]);
  });

  it("is recorded beside the audit log by default", () => {
    expect(drillLogFile(federationOf(), "/x/f.yaml")).toBeUndefined();
    expect(drillLogFile(federationOf("migration_policies: { audit_log: logs/moves.jsonl }"), "/x/f.yaml")).toBe("/x/logs/drills.jsonl");
    expect(drillLogFile(federationOf("failover: { drill_log: d.jsonl }"), "/x/f.yaml")).toBe("/x/d.jsonl");
  });
});

describe("what status shows of the logs", () => {
  function move(source: string, target: string, hoursAgo: number, changes: Partial<AuditEntry> = {}): AuditEntry {
    const ended = NOW_MS - hoursAgo * 3_600_000;
    const at = (ms: number) => new Date(ms).toISOString();
    return {
      result: "moved",
      from: { cluster: source },
      to: { cluster: target },
      archiveBytes: 1_000_000_000,
      finishedAt: at(ended),
      stages: [
        { step: "backing-up", at: at(ended - 100_000) },
        { step: "verified", at: at(ended - 20_000) },
      ],
      ...changes,
    } as AuditEntry;
  }

  it("is each direction with the throughput of its newest measured move and its failures of 30 days", () => {
    const ways = waysOf(
      [
        move("a", "b", 800, { result: "unfinished" }),
        move("a", "b", 5),
        move("a", "b", 3, { result: "rolled-back" }),
        move("b", "a", 2, { stages: [] }),
      ],
      NOW_MS,
    );
    const restores = restoreProofs(federationOf(), [entry(3, { rtoSeconds: 130 })], NOW_MS);
    expect(recordLines({ restores, ways }, NOW_MS / 1000, plain)).toEqual([
      "restore of pool web: tested 3 d ago (web-1 on b/b1, alive after 2 min)",
      "moves a → b: 100 Mbps last measured by a move, 5 h ago; 1 of 2 in 30 days failed, the last 3 h ago",
      "moves b → a: throughput not measured by any move; 1 in 30 days, none failed",
    ]);
    expect(proofProblem(restores[0]!, NOW_MS)).toBeUndefined();
  });
});
