/** `federate whatif`: what would become of the guests if something were lost, drained or added. Changes nothing. */
import { type Change, checkNodeFailover, type Inventory, type NodeFailover, whatIf } from "../../placement";
import { exitCodesOf } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import { UsageError } from "../failure";
import type { Format } from "../formats";
import { type CliIo, type Paint, painterFor } from "../io";
import { readLiveFederation } from "../live/federation";
import { writeResult } from "../output";
import { writePicture } from "../plan/command";
import { readLayout } from "../plan/layout-file";
import { type PlanReport, planText, toPlanReport } from "../plan/report";
import { withClients } from "../with-clients";
import { table } from "../words";

export interface WhatIfOptions {
  /** Clusters, or nodes as `cluster/node`. */
  lose: string[];
  drain: string[];
  /** File of VMs to come, as `plan --layout` takes it. */
  grow?: string;
  html?: string;
  format: Format;
}

export async function whatif(file: string, options: WhatIfOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const grown = options.grow === undefined ? [] : await readLayout(options.grow, federation);
  return withClients(file, io, async (clients) => {
    const { asked, inventory, requests, notes } = await readLiveFederation(federation, clients, Date.now());
    const unreachable = exitCodesOf(asked);
    const changes: Change[] = [
      ...options.lose.map((place) => changeOf("lose", place, inventory)),
      ...options.drain.map((place) => changeOf("drain", place, inventory)),
      ...(grown.length === 0 ? [] : [{ kind: "grow" as const, requests: grown }]),
    ];
    if (changes.length === 0) {
      const failovers = checkNodeFailover(requests, inventory);
      writeResult(io.stdout, options.format, { nodes: failovers, notes }, () => failoverText(failovers, notes, painterFor(io.stdout)));
      return worstOf([failovers.every(({ verdict }) => verdict === "absorbed") ? EXIT.ok : EXIT.finding, ...unreachable]);
    }
    const result = whatIf(changes, requests, inventory);
    const all = [...requests, ...grown];
    const report = toPlanReport(result.plan, all, result.inventory, undefined, notes);
    writeResult(io.stdout, options.format, { ...report, clusters: result.clusters }, () =>
      whatIfText(report, result.clusters, painterFor(io.stdout)),
    );
    if (options.html !== undefined) await writePicture(options.html, federation, result.plan, all, inventory);
    return worstOf([result.plan.counts.rejected > 0 ? EXIT.finding : EXIT.ok, ...unreachable]);
  });
}

function changeOf(what: "lose" | "drain", place: string, inventory: Inventory): Change {
  const [id = "", node] = place.split("/", 2);
  const cluster = inventory.clusters.find((candidate) => candidate.id === id);
  if (!cluster)
    throw new UsageError(
      `--${what}: there is no cluster ${id}. The federation file declares ${inventory.clusters.map((known) => known.id).join(", ")}.`,
    );
  if (node === undefined) return { kind: `${what}-cluster`, cluster: id };
  if (!cluster.nodes.some(({ name }) => name === node))
    throw new UsageError(
      `--${what}: cluster ${id} has no node ${node}. It has ${cluster.nodes.map(({ name }) => name).join(", ") || "none that is known"}.`,
    );
  return { kind: `${what}-node`, cluster: id, node };
}

function whatIfText(report: PlanReport, clusters: ReturnType<typeof whatIf>["clusters"], paint: Paint): string {
  const percent = (permille: number) => `${Math.round(permille / 10)} %`;
  const rows = clusters.map(({ cluster, before, after }) => [
    cluster,
    `cores ${percent(before.cpuPermille)} → ${percent(after.cpuPermille)}`,
    `memory ${percent(before.memoryPermille)} → ${percent(after.memoryPermille)}`,
  ]);
  return [planText(report, paint), "", ...table([["handed out", "", ""], ...rows])].join("\n");
}

function failoverText(nodes: readonly NodeFailover[], notes: readonly string[], paint: Paint): string {
  const verdicts = {
    absorbed: paint("green", "absorbed"),
    fragmented: paint("yellow", "no place found for some"),
    short: paint("red", "not enough room"),
  };
  const lines = nodes.map(({ cluster, node, verdict, homeless, bound }) => {
    const details = [
      ...(homeless.length === 0 ? [] : [`without a place: ${homeless.join(", ")}`]),
      ...(bound.length === 0 ? [] : [`lost with its local disks: ${bound.join(", ")}`]),
    ];
    return `  ${cluster}/${node}: ${[verdicts[verdict], ...details].join("; ")}`;
  });
  return [
    ...notes.map((note) => `${paint("yellow", "note:")} ${note}`),
    "if this node were lost, could the rest of its cluster take its guests?",
    ...lines,
  ].join("\n");
}
