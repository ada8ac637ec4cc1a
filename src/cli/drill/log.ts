/** The drill log: which restores were tested, when, and how they ended. Append-only, one line of JSON per VM. */
import { hostname } from "node:os";
import path from "node:path";
import { z } from "zod";
import type { Federation } from "../../config";
import { appendLine, currentUser } from "../../providers/audit";
import { type JsonLines, readJsonLines } from "../json-lines";
import type { DrillResult } from "./report";

/** Stands beside the audit log where the file names no other. */
const DEFAULT_NAME = "drills.jsonl";

const entrySchema = z.looseObject({
  /** When the drill of this VM ended (ISO time). */
  at: z.string().refine((at) => !Number.isNaN(Date.parse(at))),
  federation: z.string(),
  /** Absent: the VM was in no pool. */
  pool: z.string().optional(),
  /** Where the VM is. */
  cluster: z.string(),
  vmid: z.number(),
  name: z.string(),
  /** `cluster/node` that it was restored to. */
  target: z.string(),
  result: z.enum(["restored", "failed"]),
  /** From the start of the restore until it was alive. */
  rtoSeconds: z.number().optional(),
});
export type DrillEntry = z.output<typeof entrySchema>;

/** Absolute; `undefined` where neither a drill log nor an audit log is named. */
export function drillLogFile({ failover, migration }: Federation, federationFile: string): string | undefined {
  const base = path.dirname(federationFile);
  if (failover?.drillLog !== undefined) return path.resolve(base, failover.drillLog);
  return migration.auditLog === undefined ? undefined : path.resolve(base, path.dirname(migration.auditLog), DEFAULT_NAME);
}

/** @param result named fields only: nothing else of a drill, least of all a credential, gets into the log */
export async function appendDrill(
  file: string,
  federation: string,
  pool: string | undefined,
  result: DrillResult,
  endedAtMs: number,
): Promise<void> {
  const { cluster, vmid, name, target, backup, ageSeconds, rpoExceeded, rtoSeconds, alive, problem } = result;
  await appendLine(file, {
    at: new Date(endedAtMs).toISOString(),
    by: { user: currentUser(), host: hostname() },
    federation,
    pool,
    cluster,
    vmid,
    name,
    target,
    result: problem === undefined ? "restored" : "failed",
    backup,
    ageSeconds,
    rpoExceeded,
    rtoSeconds,
    alive,
    problem,
  });
}

/** A file that is not there yet is an empty log. */
export function readDrillLog(file: string): Promise<JsonLines<DrillEntry>> {
  return readJsonLines(file, entrySchema);
}
