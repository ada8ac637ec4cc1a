/** From what the clusters answered to what `status` shows. Pure. */
import type { Cluster, Federation } from "../../config";
import { toInventory } from "../../inventory";
import { type Asked, exitCodesOf } from "../ask-clusters";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import { toSnapshot } from "../snapshot";
import { roundedSpan } from "../words";
import { type BackupAge, isLate, lateCopies, withCopies } from "./backups";
import { type Capacity, capacityOf } from "./capacity";
import type { ClusterReading, RunningTask, UnfinishedMove } from "./read";
import type { Records } from "./records";

export interface StatusReport {
  federation: string;
  clusters: ClusterReport[];
  /** From the logs of drills and moves. */
  records: Records;
}

export interface ClusterReport {
  id: string;
  name: string;
  provider?: string;
  location?: string;
  tier: Cluster["tier"];
  /** As declared. */
  status: Cluster["status"];
  /** `ok`; `degraded`: it answers, and `problems` say what is wrong; the others: it could not be asked, and why. */
  health: "ok" | "degraded" | "unreachable" | "refused" | "not-contacted";
  problems: string[];
  live?: LiveReport;
}

export interface LiveReport {
  version: string;
  /** How long its API took for a small call from here. */
  latencyMs: number;
  /** Absent: not visible without Sys.Audit on `/`. */
  quorate?: boolean;
  nodes: { total: number; online: number; offline: string[] };
  guests: { total: number; running: number; templates: number };
  capacity: Capacity;
  tasks: RunningTask[];
  moves: UnfinishedMove[];
  /** Of pools with `replication`: how old the newest backup of each guest is. */
  backups: BackupAge[];
  /** What could not be read. */
  gaps: string[];
}

export function toStatusReport(federation: Federation, asked: readonly Asked<ClusterReading>[], records: Records): StatusReport {
  const inventory = toInventory(toSnapshot(federation, asked), () => undefined);
  const arrived = asked.flatMap((answer) => (answer.ok ? [{ cluster: answer.cluster.id, copies: answer.value.copies }] : []));
  const nowSeconds = Date.now() / 1000;
  const clusters = asked.map((answer, index): ClusterReport => {
    const { cluster } = answer;
    const about = { id: cluster.id, name: cluster.name, provider: cluster.provider, location: cluster.location?.name };
    const declared = { ...about, tier: cluster.tier, status: cluster.status };
    if (!answer.ok) return { ...declared, health: answer.kind, problems: [answer.reason] };
    const reading = { ...answer.value, backups: withCopies(answer.value.backups, cluster.id, arrived, nowSeconds) };
    const problems = problemsOf(reading);
    const live = liveReport(reading, capacityOf(inventory.clusters[index]!));
    return { ...declared, health: problems.length === 0 ? "ok" : "degraded", problems, live };
  });
  return { federation: federation.name, clusters, records };
}

function liveReport(reading: ClusterReading, capacity: Capacity): LiveReport {
  const { guests, nodes, status } = reading;
  const offline = nodes.filter((node) => node.status !== "online").map(({ node }) => node);
  return {
    version: reading.version,
    latencyMs: Math.round(reading.latencyMs),
    ...(status === undefined ? {} : { quorate: status.quorate }),
    nodes: { total: nodes.length, online: nodes.length - offline.length, offline },
    guests: {
      total: guests.filter(({ template }) => !template).length,
      running: guests.filter((guest) => guest.status === "running").length,
      templates: guests.filter(({ template }) => template).length,
    },
    capacity,
    tasks: reading.tasks,
    moves: reading.moves,
    backups: reading.backups,
    gaps: reading.gaps,
  };
}

function problemsOf({ status, nodes, storages, backups }: ClusterReading): string[] {
  const offline = nodes.filter((node) => node.status !== "online");
  const online = new Set(nodes.filter((node) => node.status === "online").map(({ node }) => node));
  return [
    ...(status?.quorate === false ? ["no quorum: nothing can be changed there until most of its nodes see each other"] : []),
    ...offline.map(({ node, status: state }) => `node ${node} is ${state}`),
    // A storage of an offline node is unknown because of the node.
    ...storages
      .filter((storage) => storage.status !== "available" && online.has(storage.node))
      .map(({ storage, node }) => `storage ${storage} is not available on node ${node}`),
    ...lateBackups(backups),
    ...lateCopiesOf(backups),
  ];
}

function lateBackups(backups: readonly BackupAge[]): string[] {
  const late = new Map<string, BackupAge[]>();
  for (const backup of backups.filter(isLate)) late.set(backup.pool, [...(late.get(backup.pool) ?? []), backup]);
  return [...late].map(
    ([pool, guests]) =>
      `backups of pool ${pool} are later than its rpo of ${roundedSpan(guests[0]?.rpoSeconds ?? 0)}: ${guests
        .map(({ name, ageSeconds }) => `${name} (${ageWords(ageSeconds)})`)
        .join(", ")}`,
  );
}

function lateCopiesOf(backups: readonly BackupAge[]): string[] {
  const late = new Map<string, string[]>();
  for (const backup of backups)
    for (const { cluster, ageSeconds } of lateCopies(backup)) {
      const what = `copies of pool ${backup.pool} at ${cluster} are later than its rpo of ${roundedSpan(backup.rpoSeconds ?? 0)}`;
      late.set(what, [...(late.get(what) ?? []), `${backup.name} (${ageWords(ageSeconds)})`]);
    }
  return [...late].map(([what, guests]) => `${what}: ${guests.join(", ")}`);
}

function ageWords(ageSeconds: number | undefined): string {
  return ageSeconds === undefined ? "none" : roundedSpan(ageSeconds);
}

export function statusExitCode(report: StatusReport, asked: readonly Asked<unknown>[]): ExitCode {
  const degraded = report.clusters.some(({ health }) => health === "degraded");
  return worstOf([...exitCodesOf(asked), degraded ? EXIT.finding : EXIT.ok]);
}
