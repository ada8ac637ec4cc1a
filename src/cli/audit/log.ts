/** The audit log of moves, read back. */
import path from "node:path";
import { z } from "zod";
import type { Federation } from "../../config";
import type { AuditEntry } from "../../providers/audit";
import { type JsonLines, readJsonLines } from "../json-lines";

export type AuditLog = JsonLines<AuditEntry>;

const place = z.looseObject({ cluster: z.string(), node: z.string(), vmid: z.number().optional() });
/** What is read of an entry; everything else in it is passed on. */
const entrySchema = z.looseObject({
  at: z.string(),
  by: z.looseObject({ user: z.string(), host: z.string() }),
  stack: z.string(),
  resource: z.looseObject({ kind: z.string(), name: z.string() }),
  result: z.enum(["moved", "rolled-back", "unfinished"]),
  method: z.string(),
  from: place,
  to: place,
  startedAt: z.string(),
  finishedAt: z.string(),
});

/** Absolute; `undefined` where the policies name none. */
export function auditFile(federation: Federation, federationFile: string): string | undefined {
  const { auditLog } = federation.migration;
  return auditLog === undefined ? undefined : path.resolve(path.dirname(federationFile), auditLog);
}

/** A file that is not there yet is an empty log. */
export async function readAuditLog(file: string): Promise<AuditLog> {
  // What is checked is what is read here; the rest of a line is ours as well.
  return (await readJsonLines(file, entrySchema)) as unknown as AuditLog;
}
