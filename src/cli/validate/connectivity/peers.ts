/**
 * What lies between two clusters, as far as it can be told from a third place: Proxmox has no call that measures the way from
 * one cluster to another. Round trips from here bound it, and past moves have measured it. Pure.
 */
import { type Federation, roundedAmount } from "../../../config";
import type { AuditEntry } from "../../../providers/audit";
import { type Throughput, throughputOf } from "../../audit/ways";
import type { Finding } from "../finding";
import { LOW_LATENCY_MS, latencyBetween } from "../lints/migration";

export interface PeerCheck extends Throughput {
  source: string;
  target: string;
  declaredLatencyMs?: number;
  /** At least so far apart, by the round trips from here. */
  leastLatencyMs?: number;
  /** Not farther than this, by way of here. */
  mostLatencyMs?: number;
}

/** What measuring from here adds or takes away. */
const TOLERANCE_MS = 2;

/**
 * @param nearestMs cluster → round trip to its nearest endpoint
 * @param moves in the order of the audit log
 */
export function checkPeers(federation: Federation, nearestMs: ReadonlyMap<string, number>, moves: readonly AuditEntry[]): PeerCheck[] {
  return pairsOf(federation).map(([source, target]) => {
    const [here, there] = [nearestMs.get(source), nearestMs.get(target)];
    const declaredLatencyMs = latencyBetween(federation, source, target);
    return {
      source,
      target,
      ...(declaredLatencyMs === undefined ? {} : { declaredLatencyMs }),
      ...(here === undefined || there === undefined
        ? {}
        : { leastLatencyMs: roundToTenths(Math.abs(here - there)), mostLatencyMs: roundToTenths(here + there) }),
      ...throughputOf(moves.filter(({ from, to }) => from.cluster === source && to.cluster === target)),
    };
  });
}

/** Those that guests may move between: declared paths, else every pair of a pool's members. */
function pairsOf({ migration, resourcePools }: Federation): [string, string][] {
  const declared = migration.paths.map(({ sourceCluster, targetCluster }): [string, string] => [sourceCluster, targetCluster]);
  const pooled =
    migration.defaultMethod === undefined
      ? []
      : resourcePools.flatMap(({ clusters }) =>
          clusters.flatMap((a) => clusters.flatMap((b): [string, string][] => (a === b ? [] : [[a, b]]))),
        );
  return [...new Map([...declared, ...pooled].map((pair) => [pair.join("\n"), pair])).values()];
}

export function peerFindings(federation: Federation, peers: readonly PeerCheck[]): Finding[] {
  return peers.flatMap(({ source, target, declaredLatencyMs, leastLatencyMs = 0 }): Finding[] => {
    const apart = `${source} and ${target} are at least ${roundedAmount(leastLatencyMs)} ms apart`;
    const findings: Finding[] = [];
    if (declaredLatencyMs !== undefined && leastLatencyMs > declaredLatencyMs + TOLERANCE_MS)
      findings.push({
        severity: "warning",
        cluster: source,
        message: `${apart}, and cross_connects declares ${declaredLatencyMs} ms`,
        suggestion: "Correct it, or run this from a place that reaches both over the same line.",
      });
    const path = federation.migration.paths.find(
      ({ sourceCluster, targetCluster }) => sourceCluster === source && targetCluster === target,
    );
    if (path?.method === "storage" && leastLatencyMs >= LOW_LATENCY_MS)
      findings.push({
        severity: "warning",
        cluster: source,
        message: `${apart}: method storage needs less than ${LOW_LATENCY_MS} ms`,
        suggestion: "Use backup-restore, which works over any network.",
      });
    return findings;
  });
}

function roundToTenths(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
