import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MoveRecord } from "../../src/migration";
import { appendAudit } from "../../src/providers/audit";
import { cluster, federation } from "../support/fake-federation";
import { fakeSession } from "../support/fake-session";
import { FakeWorld } from "../support/fake-world";
import { IDENTITY } from "../support/move-scenario";

const RECORD: MoveRecord = {
  id: "0123456789ab",
  method: "backup-restore",
  result: "moved",
  from: { cluster: "a", node: "a1", vmid: 100 },
  to: { cluster: "b", node: "b1", vmid: 100 },
  startedAt: "2026-01-01T00:00:00.000Z",
  finishedAt: "2026-01-01T00:01:00.000Z",
  stages: [],
  upids: [],
};

describe("the audit log", () => {
  let folder: string;
  const world = new FakeWorld();
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "audit-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const connection = {
    apiUrls: [],
    tls: { verify: true },
    connectTimeoutMs: 1,
    requestTimeoutMs: 1,
    credentials: { kind: "token" as const, tokenId: "iac@pve!federation", secret: { kind: "environment" as const, variable: "A_SECRET" } },
  };
  const session = (auditLog: string | undefined) =>
    fakeSession(
      world,
      federation({
        clusters: [cluster("a", { connection }), cluster("b")],
        migration: { preMigrationChecks: [], paths: [], ...(auditLog === undefined ? {} : { auditLog }) },
      }),
      [],
    );

  it("has one line per move: who, what, from where to where, how it ended, and no secret", async () => {
    const file = path.join(folder, "moves.jsonl");
    await appendAudit(session(file), IDENTITY, RECORD);
    await appendAudit(session(file), IDENTITY, { ...RECORD, result: "rolled-back", error: "the store is full" });
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({
        at: expect.stringMatching(/^2026-01-01T/),
        by: { user: expect.any(String), host: expect.any(String) },
        federation: "fed",
        stack: "shop/prod",
        resource: { kind: "vm", name: "web" },
        credentials: { a: "iac@pve!federation", b: "none" },
        result: "moved",
        id: RECORD.id,
      }),
      expect.objectContaining({ result: "rolled-back", error: "the store is full" }),
    ]);
    expect(lines.join()).not.toContain("A_SECRET");
    expect((await stat(file)).mode & 0o077).toBe(0);
  });

  it("is not kept where none is declared", async () => {
    await appendAudit(session(undefined), IDENTITY, RECORD);
    expect(world.reports).toEqual([]);
  });

  it("that cannot be written is reported, and fails no move", async () => {
    await appendAudit(session(path.join(folder, "missing", "moves.jsonl")), IDENTITY, RECORD);
    expect(world.reports).toEqual([expect.stringMatching(/^warning: the audit log .*moves.jsonl was not written/)]);
  });
});
