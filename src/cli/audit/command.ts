/** `federate audit`: which moves were made or tried, by whom, and how they ended. */
import { roundedSize } from "../../config";
import type { AuditEntry } from "../../providers/audit";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode } from "../exit-codes";
import { UsageError } from "../failure";
import type { Format } from "../formats";
import { type CliIo, type Paint, painterFor } from "../io";
import { writeResult } from "../output";
import { counted, roundedSpan, table } from "../words";
import { auditFile, readAuditLog } from "./log";

export interface AuditOptions {
  /** Moves that ended after this, in ms since the epoch. */
  since?: number;
  /** Name of the resource. */
  name?: string;
  cluster?: string;
  result?: AuditEntry["result"];
  /** Newest so many. */
  limit: number;
  format: Format;
}

export async function audit(file: string, options: AuditOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const log = auditFile(federation, file);
  if (log === undefined)
    throw new UsageError(
      "no audit log is kept: set migration_policies.audit_log in the federation file to the file that moves are written to.",
    );
  const { entries, broken } = await readAuditLog(log);
  const found = entries.filter((entry) => fits(entry, options)).slice(-options.limit);
  const paint = painterFor(io.stderr);
  if (broken.length > 0)
    io.stderr.write(`${paint("yellow", "warning:")} ${log}: ${counted(broken.length, "line")} cannot be read (first: line ${broken[0]})\n`);
  writeResult(io.stdout, options.format, { log, moves: found }, () => auditText(found, painterFor(io.stdout)));
  return EXIT.ok;
}

function fits({ finishedAt, resource, from, to, result }: AuditEntry, options: AuditOptions): boolean {
  if (options.since !== undefined && Date.parse(finishedAt) < options.since) return false;
  if (options.name !== undefined && resource.name !== options.name) return false;
  if (options.cluster !== undefined && from.cluster !== options.cluster && to.cluster !== options.cluster) return false;
  return options.result === undefined || result === options.result;
}

const LOOKS = { moved: "green", "rolled-back": "yellow", unfinished: "red" } as const;

function auditText(entries: readonly AuditEntry[], paint: Paint): string {
  if (entries.length === 0) return "no moves";
  const rows = entries.map(({ startedAt, finishedAt, resource, stack, method, from, to, archiveBytes, by }) => [
    startedAt,
    `${resource.kind} ${resource.name}`,
    `${from.cluster}/${from.node} vm ${from.vmid}`,
    "→",
    `${to.cluster}/${to.node}${to.vmid === undefined ? "" : ` vm ${to.vmid}`}`,
    method,
    archiveBytes === undefined ? "" : roundedSize(archiveBytes),
    roundedSpan((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000),
    `by ${by.user}@${by.host}, stack ${stack}`,
  ]);
  return table(rows)
    .flatMap((line, index) => {
      const { result, error } = entries[index]!;
      return [`${line}  ${paint(LOOKS[result], result)}`, ...(error === undefined ? [] : [`    ${error}`])];
    })
    .join("\n");
}
