/** The audit log of moves: one line of JSON each, appended to the file that `migration_policies.audit_log` names. */
import { appendFile } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import type { Cluster } from "../config";
import type { Identity, MoveRecord } from "../migration";
import type { Session } from "./session";

export interface AuditEntry extends MoveRecord {
  at: string;
  /** Who ran the program, where. */
  by: { user: string; host: string };
  federation: string;
  stack: string;
  resource: { kind: Identity["kind"]; name: string };
  /** Ids of the tokens (or users) that acted, by cluster. Never a secret. */
  credentials: Record<string, string>;
}

/** The move is over: a log that cannot be written is reported, and undoes nothing. */
export async function appendAudit(session: Session, identity: Identity, record: MoveRecord): Promise<void> {
  const file = await session.auditLog();
  if (file === undefined) return;
  const clusters = await Promise.all([session.cluster(record.from.cluster), session.cluster(record.to.cluster)]);
  const entry: AuditEntry = {
    at: new Date(session.pace.nowMs()).toISOString(),
    by: { user: currentUser(), host: hostname() },
    federation: identity.federation,
    stack: identity.stack,
    resource: { kind: identity.kind, name: identity.name },
    credentials: Object.fromEntries(clusters.map((cluster) => [cluster.id, credentialIdOf(cluster)])),
    ...record,
  };
  try {
    await appendLine(file, entry);
  } catch (error) {
    session.pace.report(`warning: the audit log ${file} was not written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** One write per line: lines of several processes do not mix. Readable by its owner only. */
export async function appendLine(file: string, entry: object): Promise<void> {
  await appendFile(file, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
}

/** A container may run under a uid without a name. */
export function currentUser(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if (error instanceof Error) return String(process.getuid?.() ?? "unknown");
    throw error;
  }
}

function credentialIdOf({ connection }: Cluster): string {
  const credentials = connection?.credentials;
  if (!credentials) return "none";
  if (credentials.kind === "password") return credentials.username;
  return credentials.tokenIdFile === undefined ? credentials.tokenId : `(id in ${credentials.tokenIdFile})`;
}
