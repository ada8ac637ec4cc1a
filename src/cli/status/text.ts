/** `status` for a terminal. Pure. */
import { roundedAmount, roundedSize } from "../../config";
import type { Paint, Style } from "../io";
import { counted, percentOf, roundedSpan, table } from "../words";
import type { BackupAge } from "./backups";
import type { StorageUse } from "./capacity";
import type { RunningTask, UnfinishedMove } from "./read";
import { recordLines } from "./records";
import type { ClusterReport, LiveReport, StatusReport } from "./report";

const LOOK: Record<ClusterReport["health"], { sign: string; style: Style }> = {
  ok: { sign: "●", style: "green" },
  degraded: { sign: "▲", style: "yellow" },
  unreachable: { sign: "✗", style: "red" },
  refused: { sign: "✗", style: "red" },
  "not-contacted": { sign: "○", style: "dim" },
};

/** More are counted, not listed. */
const LISTED_TASKS = 5;

export function statusText(report: StatusReport, nowSeconds: number, paint: Paint): string {
  const head = paint("bold", `federation ${report.federation}, ${counted(report.clusters.length, "cluster")}`);
  const records = recordLines(report.records, nowSeconds, paint);
  const clusters = report.clusters.map((cluster) => clusterText(cluster, nowSeconds, paint));
  return [head, ...clusters, ...(records.length === 0 ? [] : [records.join("\n")])].join("\n\n");
}

function clusterText(cluster: ClusterReport, nowSeconds: number, paint: Paint): string {
  const { sign, style } = LOOK[cluster.health];
  const about = [cluster.tier, ...(cluster.status === "active" ? [] : [cluster.status]), ...placeWords(cluster)].join(", ");
  const lines = [`${paint(style, `${sign} ${cluster.id}`)}  ${about}`];
  lines.push(...cluster.problems.map((problem) => `  ${paint(style, `${cluster.health}:`)} ${problem}`));
  if (cluster.live !== undefined) lines.push(...liveLines(cluster.live, nowSeconds, paint));
  return lines.join("\n");
}

function placeWords({ provider, location }: ClusterReport): string[] {
  return [provider, location].filter((word) => word !== undefined);
}

function liveLines(live: LiveReport, nowSeconds: number, paint: Paint): string[] {
  const quorum = live.quorate === undefined ? "quorum not visible (needs Sys.Audit on /)" : live.quorate ? "quorate" : "no quorum";
  const { guests, nodes } = live;
  const templates = guests.templates === 0 ? [] : [counted(guests.templates, "template")];
  const facts = [
    `Proxmox VE ${live.version}`,
    quorum,
    `${nodes.online} of ${counted(nodes.total, "node")} online`,
    `${counted(guests.total, "guest")}, ${guests.running} running`,
    ...templates,
    `answers in ${live.latencyMs} ms`,
  ];
  return [
    `  ${facts.join(" · ")}`,
    ...table(capacityRows(live)).map((line) => `    ${line}`),
    ...taskLines(live.tasks, nowSeconds),
    ...live.moves.map((move) => `  ${paint("yellow", "unfinished move:")} ${moveWords(move)}`),
    ...backupLines(live.backups),
    ...live.gaps.map((gap) => `  ${paint("yellow", "not read:")} ${gap}`),
  ];
}

function capacityRows({ capacity: { cpu, memory, storages } }: LiveReport): string[][] {
  return [
    [
      "cores",
      `${roundedAmount(cpu.allocatedCores)} of ${roundedAmount(cpu.grantableCores)} handed out`,
      percentOf(cpu.allocatedCores, cpu.grantableCores),
      pressureWords(cpu.pressurePermille),
    ],
    [
      "memory",
      `${roundedSize(memory.allocatedBytes)} of ${roundedSize(memory.grantableBytes)} handed out`,
      percentOf(memory.allocatedBytes, memory.grantableBytes),
      pressureWords(memory.pressurePermille),
    ],
    ...groupById(storages).map(({ storage, usedBytes, totalBytes, pressurePermille, node, count }) => [
      `storage ${storage}${count > 1 ? ` (${count} nodes)` : node === undefined ? "" : ` (${node})`}`,
      `${roundedSize(usedBytes)} of ${roundedSize(totalBytes)} used`,
      percentOf(usedBytes, totalBytes),
      pressureWords(pressurePermille),
    ]),
  ];
}

/** A local storage of many nodes takes one line: the sum, and the pressure of the fullest. */
function groupById(storages: readonly StorageUse[]): (StorageUse & { count: number })[] {
  const groups = new Map<string, StorageUse & { count: number }>();
  for (const storage of storages) {
    const known = groups.get(storage.storage);
    if (known === undefined) groups.set(storage.storage, { ...storage, count: 1 });
    else {
      known.usedBytes += storage.usedBytes;
      known.totalBytes += storage.totalBytes;
      known.pressurePermille = Math.max(known.pressurePermille, storage.pressurePermille);
      known.count += 1;
    }
  }
  return [...groups.values()];
}

function pressureWords(permille: number): string {
  return permille === 0 ? "" : `pressure ${Math.round(permille / 10)} %`;
}

function taskLines(tasks: readonly RunningTask[], nowSeconds: number): string[] {
  if (tasks.length === 0) return [];
  const listed = tasks.slice(0, LISTED_TASKS).map(({ type, id, node, startTimeSeconds }) => {
    const what = id === "" ? type : `${type} ${id}`;
    return `${what} on ${node} (${roundedSpan(nowSeconds - startTimeSeconds)})`;
  });
  const more = tasks.length > LISTED_TASKS ? [`${tasks.length - LISTED_TASKS} more`] : [];
  return [`  running tasks: ${[...listed, ...more].join(", ")}`];
}

function backupLines(backups: readonly BackupAge[]): string[] {
  return [...new Set(backups.map(({ pool }) => pool))].flatMap((pool) => {
    const ages = backups.filter((backup) => backup.pool === pool);
    const copies = ages.flatMap((backup) => backup.copies ?? []);
    return [
      `  backups of ${pool}: ${ageSummary(ages)}`,
      ...[...new Set(copies.map(({ cluster }) => cluster))].map(
        (at) => `  copies of them at ${at}: ${ageSummary(copies.filter(({ cluster }) => cluster === at))}`,
      ),
    ];
  });
}

function ageSummary(ages: readonly { ageSeconds?: number }[]): string {
  const known = ages.flatMap(({ ageSeconds }) => ageSeconds ?? []);
  const without = ages.length - known.length;
  const oldest = known.length === 0 ? [] : [`newest of each at most ${roundedSpan(Math.max(...known))} old`];
  return [counted(ages.length, "guest"), ...oldest, ...(without === 0 ? [] : [`${without} without`])].join(", ");
}

function moveWords(move: UnfinishedMove): string {
  const peer = move.peer === undefined ? "" : `, ${isSource(move) ? "to" : "from"} ${move.peer.cluster}${peerVmid(move.peer.vmid)}`;
  const step = move.step === undefined ? (move.phase ?? "its mark cannot be read") : `step ${move.step}`;
  const since = move.startedAt === undefined ? "" : `, since ${move.startedAt}`;
  return `${move.resource}: vm ${move.vmid} on ${move.node}${peer}, ${step}${since}`;
}

function isSource({ phase }: UnfinishedMove): boolean {
  return phase === "moving" || phase === "retired";
}

function peerVmid(vmid: number | undefined): string {
  return vmid === undefined ? "" : ` vm ${vmid}`;
}
