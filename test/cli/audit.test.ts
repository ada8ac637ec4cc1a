import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import type { AuditEntry } from "../../src/providers/audit";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

function entry(name: string, hour: number, changes: Partial<AuditEntry> = {}): AuditEntry {
  const at = (minute: number) => new Date(Date.UTC(2026, 0, 2, hour, minute)).toISOString();
  return {
    id: `m-${name}`,
    method: "backup-restore",
    result: "moved",
    from: { cluster: "ams", node: "a1", vmid: 100 },
    to: { cluster: "rtm", node: "r1", vmid: 200 },
    archiveBytes: 3 * 1024 ** 3,
    startedAt: at(0),
    finishedAt: at(12),
    stages: [],
    upids: [],
    at: at(12),
    by: { user: "ada", host: "desk" },
    federation: "acme",
    stack: "shop/prod",
    resource: { kind: "vm", name },
    credentials: {},
    ...changes,
  };
}

let simulated: SimulatedFederation;
beforeAll(async () => {
  simulated = await startSimulatedFederation();
});
afterAll(() => simulated.stop());

async function keepLog(lines: string[]): Promise<void> {
  await simulated.edit((text) => {
    const document = parseDocument(text);
    document.setIn(["migration_policies", "audit_log"], "moves.jsonl");
    return document.toString();
  });
  await writeFile(join(simulated.directory, "moves.jsonl"), lines.map((line) => `${line}\n`).join(""));
}

describe("federate audit", () => {
  it("says where to keep a log when none is kept", async () => {
    const { code, err } = await federate(["audit"], simulated.env);
    expect([code, err]).toEqual([2, expect.stringContaining("migration_policies.audit_log")]);
  });

  it("lists moves with how they ended, filtered, and passes over broken lines with a warning", async () => {
    const failed = entry("db", 5, { result: "rolled-back", error: "the store is full", to: { cluster: "fra", node: "f1" } });
    await keepLog([JSON.stringify(entry("web", 3)), '{"cut', JSON.stringify(failed)]);
    const { code, out, err } = await federate(["audit"], simulated.env);
    expect(code).toBe(0);
    expect(err).toContain("1 line cannot be read (first: line 2)");
    expect(out).toMatch(/vm web +ams\/a1 vm 100 +→ +rtm\/r1 vm 200 +backup-restore +3 GiB +12 min +by ada@desk, stack shop\/prod +moved/);
    expect(out).toMatch(/vm db .* rolled-back\n {4}the store is full/);

    const names = async (...argv: string[]) => {
      const { out: text } = await federate(["audit", "--format", "json", ...argv], simulated.env);
      return (JSON.parse(text) as { moves: AuditEntry[] }).moves.map(({ resource }) => resource.name);
    };
    expect(await names("--result", "rolled-back")).toEqual(["db"]);
    expect(await names("--since", "2026-01-02T04:00:00Z")).toEqual(["db"]);
    expect(await names("--name", "web")).toEqual(["web"]);
    expect(await names("--cluster", "fra")).toEqual(["db"]);
    expect(await names("--limit", "1")).toEqual(["db"]);
  });

  it("feeds the counter of failed moves", async () => {
    await keepLog([JSON.stringify(entry("web", 3)), JSON.stringify(entry("db", 5, { result: "unfinished" }))]);
    const { out } = await federate(["metrics"], simulated.env);
    expect(out).toMatch(/proxmox_federation_moves_total\{from="ams",to="rtm",result="unfinished",federation="acme"\} 1/);
  });
});
