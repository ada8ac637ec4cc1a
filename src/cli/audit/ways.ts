/** What the audit log tells about the ways between clusters. Pure. */
import type { AuditEntry } from "../../providers/audit";

const RECENT_MS = 30 * 86_400_000;

export interface Throughput {
  /** Of the newest move on record: bytes of its archive by the time from the backup's start to the end of the restore. */
  throughputBitsPerSecond?: number;
  /** When that move ended. */
  throughputAt?: string;
}

/** Moves of one direction. */
export interface Way extends Throughput {
  source: string;
  target: string;
  /** Moves that ended in the last 30 days, however. */
  recent: number;
  /** Those of them that were rolled back or left unfinished. */
  failed: number;
  lastFailedAt?: string;
}

/** @param moves in the order of the audit log */
export function waysOf(moves: readonly AuditEntry[], nowMs: number): Way[] {
  const ways = new Map<string, AuditEntry[]>();
  for (const move of moves) {
    const key = `${move.from.cluster}\n${move.to.cluster}`;
    ways.set(key, [...(ways.get(key) ?? []), move]);
  }
  return [...ways.values()].map((own) => {
    const recent = own.filter(({ finishedAt }) => nowMs - Date.parse(finishedAt) <= RECENT_MS);
    const failed = recent.filter(({ result }) => result !== "moved");
    const lastFailedAt = failed.at(-1)?.finishedAt;
    return {
      source: own[0]!.from.cluster,
      target: own[0]!.to.cluster,
      recent: recent.length,
      failed: failed.length,
      ...(lastFailedAt === undefined ? {} : { lastFailedAt }),
      ...throughputOf(own),
    };
  });
}

/** @param moves of one direction, in the order of the audit log */
export function throughputOf(moves: readonly AuditEntry[]): Throughput {
  for (const { result, archiveBytes, stages, finishedAt } of [...moves].reverse()) {
    // Lines of older versions lack both.
    if (result !== "moved" || archiveBytes === undefined || !Array.isArray(stages)) continue;
    const begun = stages.find(({ step }) => step === "backing-up")?.at;
    const ended = stages.find(({ step }) => step === "verified")?.at;
    if (begun === undefined || ended === undefined) continue;
    const seconds = (Date.parse(ended) - Date.parse(begun)) / 1000;
    // Stages are kept in whole seconds: what took less measures nothing.
    if (seconds < 10) continue;
    return { throughputBitsPerSecond: Math.round((archiveBytes * 8) / seconds), throughputAt: finishedAt };
  }
  return {};
}
