import type { Upid } from "./api";
import { classifyText } from "./classify";
import { type CallContext, type ProxmoxErrorCode, TaskFailedError } from "./errors";
import { parseUpid } from "./upid";

const tailLines = 15;

/** `OK` and `WARNINGS: n` are success; every other exit status is the text of an error. */
export function exitOf(exitStatus: string): { ok: true; warnings: number } | { ok: false } {
  if (exitStatus === "OK") return { ok: true, warnings: 0 };
  const warnings = /^WARNINGS: (\d+)$/.exec(exitStatus)?.[1];
  return warnings === undefined ? { ok: false } : { ok: true, warnings: Number(warnings) };
}

/** vzdump ends with `job errors` whatever happened; its log has the reason. */
function reasonOf(exitStatus: string, log: readonly string[]): ProxmoxErrorCode | undefined {
  const texts = [exitStatus, ...log.map((line) => /^ERROR: Backup of VM \d+ failed - (.*)$/.exec(line)?.[1] ?? "")];
  return texts.map((text) => classifyText(text)?.code).find((code) => code !== undefined);
}

export function taskFailed(
  upid: Upid,
  exitStatus: string,
  log: readonly string[],
  context: CallContext,
  logError: Error | undefined,
): TaskFailedError {
  const { type, id } = parseUpid(upid);
  const logTail = log.slice(-tailLines);
  const killed = exitStatus === "unexpected status" || exitStatus === "";
  const tail = logError === undefined ? logTail.map((line) => `\n  ${line}`).join("") : ` (its log cannot be read: ${logError.message})`;
  return new TaskFailedError({
    summary: `Task ${type}${id === "" ? "" : ` ${id}`} failed`,
    context,
    proxmoxMessage: `${killed ? "its worker process was killed (unexpected status)" : exitStatus}${tail === "" ? "" : `\nEnd of the log of ${upid}:`}${tail}`,
    upid,
    exitStatus,
    logTail,
    reason: reasonOf(exitStatus, log),
  });
}
