/** The audit log of moves, read back. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Federation } from "../../config";
import type { AuditEntry } from "../../providers/audit";

export interface AuditLog {
  entries: AuditEntry[];
  /** Line numbers that are no entries: cut off by a full disk, or edited. */
  broken: number[];
}

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
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { entries: [], broken: [] };
    throw error;
  }
  const log: AuditLog = { entries: [], broken: [] };
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const entry = entryOf(line);
    if (entry) log.entries.push(entry);
    else log.broken.push(index + 1);
  }
  return log;
}

function entryOf(line: string): AuditEntry | undefined {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(line));
    return parsed.success ? (parsed.data as unknown as AuditEntry) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
