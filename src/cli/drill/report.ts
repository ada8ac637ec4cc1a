/** What a drill has shown. Pure. */
import { roundedSize } from "../../config";
import type { Paint } from "../io";
import { roundedSpan, table } from "../words";
import type { Alive } from "./guest";

export interface DrillResult {
  cluster: string;
  vmid: number;
  name: string;
  /** `cluster/node` that it was restored to. */
  target: string;
  backup?: { volid: string; store: string; sizeBytes: number; backedUpAt: string };
  /** Age of the backup: what a failover would have lost. */
  ageSeconds?: number;
  /** Whether that is more than the pool's replication.rpo; absent without one. */
  rpoExceeded?: boolean;
  /** From the start of the restore until it was alive. */
  rtoSeconds?: number;
  /** `running`: it has no agent, and stayed running for the time given by --settle, which is not counted. */
  alive?: Alive;
  /** vmid of the copy. */
  copy?: number;
  /** Whether the copy is gone again; absent: none was made, or it was to be kept. */
  removed?: boolean;
  /** Why it failed. */
  problem?: string;
}

export function drillText(results: readonly DrillResult[], bridge: string, paint: Paint): string {
  const rows = results.map((result) => [
    paint(result.problem === undefined ? "green" : "red", result.problem === undefined ? "ok" : "failed"),
    `${result.name} (${result.cluster}/${result.vmid})`,
    result.target,
    result.rtoSeconds === undefined ? "-" : `${roundedSpan(result.rtoSeconds)}${result.alive === "running" ? ", no agent" : ""}`,
    result.ageSeconds === undefined ? "-" : `${roundedSpan(result.ageSeconds)}${result.rpoExceeded ? paint("red", " > rpo") : ""}`,
    result.backup === undefined ? "-" : `${result.backup.volid}, ${roundedSize(result.backup.sizeBytes)}`,
  ]);
  const problems = results.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${paint("red", `${name}:`)} ${problem}`]));
  const kept = results.flatMap(({ copy, target, removed, problem }) =>
    copy !== undefined && removed === undefined && problem === undefined
      ? [`vm ${copy} on ${target} is kept on ${bridge}: the next drill removes it`]
      : [],
  );
  return [...table([["", "VM", "restored to", "RTO", "RPO", "backup"], ...rows]), ...problems, ...kept].join("\n");
}
