import { count, listWords } from "./amounts";
import { CLUSTER_FILTERS, NODE_FILTERS } from "./filters";
import type { CandidateReport, Explanation, PlacementRequest, Shortfall } from "./model";
import { findCluster, type World } from "./world";

/** Filters from the most basic to the last hurdle: a node that fell late is the nearest miss. */
const FILTER_ORDER = [...CLUSTER_FILTERS, ...NODE_FILTERS].map(({ name }) => name);

/**
 * One paragraph in the manner of a scheduler: how many nodes there are, what keeps each from fitting (equal findings
 * counted together, the most frequent first), and what would help where it was nearest.
 */
export function rejectionMessage(request: PlacementRequest, world: World, explanation: Explanation): string {
  const nodes = world.clusters.reduce((sum, cluster) => sum + cluster.facts.nodes.length, 0);
  const head = `Cannot place ${request.name}: ${nodes === 0 ? "no node is known" : `0 of ${count(nodes, "node")} fit`}`;
  const why = explanation.moveReason === undefined ? "" : ` It cannot stay where it is: ${explanation.moveReason}.`;
  const groups = grouped(world, explanation.candidates);
  if (groups.length === 0) return `${head}.${why} Declare a cluster with nodes.`;
  return `${head}: ${groups.map(groupText).join(", ")}.${why} What would help: ${remedies(explanation.candidates)}.`;
}

interface Group {
  nodes: number;
  /** Clusters that fell as a whole without a known node. */
  clusters: string[];
  members: Shortfall[];
}

function grouped(world: World, candidates: readonly CandidateReport[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { cluster, node, rejected } of candidates) {
    const nodes = node === undefined ? (findCluster(world, cluster)?.facts.nodes.length ?? 0) : 1;
    const counted = new Set<Group>();
    for (const shortfall of rejected?.shortfalls ?? []) {
      const group = groups.get(shortfall.summary) ?? { nodes: 0, clusters: [], members: [] };
      group.members.push(shortfall);
      groups.set(shortfall.summary, group);
      // A node that two rules forbid in the same words is one node.
      if (counted.has(group)) continue;
      counted.add(group);
      group.nodes += nodes;
      if (nodes === 0) group.clusters.push(cluster);
    }
  }
  // Sorting is stable: equal counts stay in the candidates' order.
  return [...groups.values()].sort((left, right) => right.nodes - left.nodes);
}

function groupText({ nodes, clusters, members }: Group): string {
  const [first] = members;
  if (first === undefined) return "";
  const who = nodes === 0 ? `cluster ${listWords(clusters)}` : `${nodes}`;
  const { amount } = first;
  if (amount === undefined) return `${who} ${first.summary}`;
  const most = members.reduce((best, { amount: other }) => Math.max(best, other?.available ?? 0), 0);
  if (amount.unit === "MiB" || amount.unit === "cores") {
    const words = amount.unit === "cores" ? "cores" : `MiB ${amount.resource}`;
    if (amount.resource.startsWith("pool")) return first.summary;
    const has = members.length === 1 ? `has ${most}` : `at most ${most} free`;
    return `${who} ${nodes === 1 ? "lacks" : "lack"} ${roundMilli(amount.needed - most)} ${words} (needs ${amount.needed}, ${has})`;
  }
  return amount.resource.startsWith("pool") ? first.summary : `${who} ${first.summary}`;
}

/** Differences of thousandths of cores, without what binary fractions add. */
function roundMilli(amount: number): number {
  return Math.round(amount * 1000) / 1000;
}

/** Of the candidates that came furthest; at most two remedies. */
function remedies(candidates: readonly CandidateReport[]): string {
  const stage = ({ rejected }: CandidateReport) => FILTER_ORDER.lastIndexOf(rejected?.filter ?? "");
  const furthest = candidates.reduce((most, candidate) => Math.max(most, stage(candidate)), -1);
  const texts = candidates
    .filter((candidate) => stage(candidate) === furthest)
    .flatMap(({ rejected }) => rejected?.shortfalls ?? [])
    .flatMap(({ remedy }) => (remedy === undefined ? [] : [remedy]));
  return [...new Set(texts)].slice(0, 2).join("; or ");
}
