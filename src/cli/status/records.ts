/** What earlier runs have left in the logs: tested restores, and moves. */
import { type Federation, roundedAmount } from "../../config";
import { auditFile, readAuditLog } from "../audit/log";
import { type Way, waysOf } from "../audit/ways";
import { proofProblem, type RestoreProof } from "../drill/proof";
import { readProofs } from "../drill/read-proofs";
import type { Paint } from "../io";
import { roundedSpan } from "../words";

export interface Records {
  /** Of each pool with `replication`. */
  restores: RestoreProof[];
  /** Each direction that the audit log has moves of. */
  ways: Way[];
}

export async function readRecords(federation: Federation, file: string, nowMs: number): Promise<Records> {
  const log = auditFile(federation, file);
  const [restores, moves] = await Promise.all([
    readProofs(federation, file, nowMs),
    log === undefined ? [] : readAuditLog(log).then(({ entries }) => entries),
  ]);
  return { restores, ways: waysOf(moves, nowMs) };
}

export function recordLines({ restores, ways }: Records, nowSeconds: number, paint: Paint): string[] {
  return [...restores.map((proof) => restoreLine(proof, nowSeconds, paint)), ...ways.map((way) => wayLine(way, nowSeconds, paint))];
}

function restoreLine(proof: RestoreProof, nowSeconds: number, paint: Paint): string {
  const problem = proofProblem(proof, nowSeconds * 1000);
  if (problem !== undefined) return `${paint("yellow", "not proven:")} ${problem.replaceAll("`", "")}`;
  const { at, name, target, rtoSeconds } = proof.newest!;
  const rto = rtoSeconds === undefined ? "" : `, alive after ${roundedSpan(rtoSeconds)}`;
  const failed = proof.failuresSince === 0 ? "" : `; ${proof.failuresSince} failed since`;
  return `restore of pool ${proof.pool}: tested ${ago(at, nowSeconds)} (${name} on ${target}${rto})${failed}`;
}

function wayLine(
  { source, target, recent, failed, lastFailedAt, throughputBitsPerSecond, throughputAt }: Way,
  nowSeconds: number,
  paint: Paint,
) {
  const measured =
    throughputBitsPerSecond === undefined || throughputAt === undefined
      ? "throughput not measured by any move"
      : `${roundedAmount(throughputBitsPerSecond / 1e6)} Mbps last measured by a move, ${ago(throughputAt, nowSeconds)}`;
  const counts =
    failed === 0 || lastFailedAt === undefined
      ? `${recent} in 30 days, none failed`
      : paint("yellow", `${failed} of ${recent} in 30 days failed, the last ${ago(lastFailedAt, nowSeconds)}`);
  return `moves ${source} → ${target}: ${measured}; ${counts}`;
}

function ago(at: string, nowSeconds: number): string {
  return `${roundedSpan(nowSeconds - Date.parse(at) / 1000)} ago`;
}
