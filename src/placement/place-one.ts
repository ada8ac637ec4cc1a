import { type Ask, askFor, isAtHome, storageIds } from "./ask";
import { CLUSTER_FILTERS, NODE_FILTERS } from "./filters";
import type { CandidateReport, Explanation, Inventory, Placement, PlacementRequest, PlacementResult, Promised, Shortfall } from "./model";
import { compareText, rendezvousWeight } from "./order";
import { rejectionMessage } from "./rejection-message";
import { type Scored, scoreNode } from "./scores";
import { windowWords } from "./time";
import { buildWorld, type ClusterState, findCluster, type NodeState, type World } from "./world";

/**
 * Where one request goes, given what is there and what this run has promised already.
 *
 * Pure and deterministic: the order of clusters, nodes, guests and promises does not matter, nor does the locale. A prior
 * placement stays as long as every `must` holds; a guest that has to leave its node prefers another node of its cluster,
 * whatever the scores, because only then no bytes cross a link.
 */
export function placeOne(request: PlacementRequest, inventory: Inventory, promised: readonly Promised[]): PlacementResult {
  return placeInWorld(request, buildWorld(inventory, promised, request.key));
}

/** {@link placeOne} in a world that does not contain the request. The world is not changed. */
export function placeInWorld(request: PlacementRequest, world: World): PlacementResult {
  const ask = askFor(request, world);
  const stay = request.prior === undefined ? undefined : tryToStay(ask, request.prior);
  if (stay?.result !== undefined) return stay.result;
  return choose(ask, stay?.reason);
}

/** The best place among the nodes that `isAllowed` lets through, whether or not the request could stay; for stops on the way. */
export function findPlace(request: PlacementRequest, world: World, isAllowed: (node: NodeState) => boolean): Placement | undefined {
  const ask = askFor(request, world);
  const [best] = rankAll(ask, sift(ask).fitting.filter(isAllowed));
  return best === undefined ? undefined : placementOn(ask, best.node);
}

/** Staying at the prior placement, or why that is impossible; the world must not contain the request. */
export function stayInWorld(request: PlacementRequest, world: World): Stay {
  return request.prior === undefined ? { reason: "it has no place yet" } : tryToStay(askFor(request, world), request.prior);
}

/**
 * A decision that has been made, with every candidate as it looks in a world that does not contain the request: the chosen
 * node first, then the others by rank, then those that do not fit.
 */
export function explainInWorld(request: PlacementRequest, world: World, decided: Decided): PlacementResult {
  const ask = askFor(request, world);
  const { fitting, rejected } = sift(ask);
  const ranked = rankAll(ask, fitting);
  const chosen = ranked.find(({ node }) => isPlacedOn(decided.placement, node));
  const others = ranked.filter((candidate) => candidate !== chosen);
  const candidates = [...(chosen === undefined ? [] : [chosen]), ...others].map(reportOf);
  const [next] = others;
  const explanation: Explanation = {
    ...explanationFor(ask),
    outcome: decided.outcome,
    moveReason: decided.moveReason,
    candidates: [...candidates, ...rejected],
    margin: chosen === undefined || next === undefined ? undefined : chosen.score - next.score,
  };
  if (decided.outcome === "rejected" || decided.placement === undefined) {
    return { ok: false, explanation, message: decided.message ?? rejectionMessage(request, world, explanation) };
  }
  return { ok: true, placement: decided.placement, explanation };
}

export interface Decided {
  outcome: Explanation["outcome"];
  placement?: Placement;
  moveReason?: string;
  message?: string;
}

function isPlacedOn(placement: Placement | undefined, node: NodeState): boolean {
  return placement !== undefined && placement.cluster === node.cluster.facts.id && placement.node === node.facts.name;
}

/** Either the result of staying, or the reason why it cannot. */
export interface Stay {
  result?: PlacementResult;
  reason?: string;
}

function tryToStay(ask: Ask, prior: Placement): Stay {
  const cluster = findCluster(ask.world, prior.cluster);
  if (cluster === undefined) return { reason: `cluster ${prior.cluster} is not in the federation` };
  if (!cluster.facts.reachable && cluster.facts.status !== "lost") {
    // Whatever is wrong with it, nothing can be moved off a cluster that does not answer.
    return { result: kept(ask, prior, { cluster: prior.cluster, node: prior.node }) };
  }
  const clusterReport = checkCluster(ask, cluster);
  if (clusterReport?.rejected !== undefined) return { reason: clusterReport.rejected.reasons.join("; ") };
  const node = cluster.nodes.find((candidate) => candidate.facts.name === prior.node);
  if (node === undefined) return { reason: `node ${prior.cluster}/${prior.node} does not exist` };
  const rejected = checkNode(ask, node).rejected;
  if (rejected !== undefined) return { reason: rejected.reasons.join("; ") };
  return { result: stayOn(ask, prior, node) };
}

function stayOn(ask: Ask, prior: Placement, node: NodeState): PlacementResult {
  const placement = placementOn(ask, node);
  const changed = placement.storages.flatMap((storage, index) => {
    const before = prior.storages[index];
    const disk = ask.request.disks[index];
    return before === undefined || before === storage || disk === undefined ? [] : [storageChange(disk, before, storage)];
  });
  const result = kept(ask, placement, reportOf(scoreNode(ask, node)));
  if (changed.length === 0) return result;
  return { ...result, explanation: { ...result.explanation, outcome: "moved", moveReason: changed.join("; ") } };
}

function storageChange(disk: { name: string; storageClass: string }, before: string, now: string): string {
  const what = disk.storageClass === "" ? "the primary storage" : `storage class ${disk.storageClass}`;
  return `disk ${disk.name} is on ${before} and ${what} is ${now}`;
}

function kept(ask: Ask, placement: Placement, report: CandidateReport): PlacementResult & { ok: true } {
  return { ok: true, placement, explanation: { ...explanationFor(ask), outcome: "kept", candidates: [report] } };
}

/** Every candidate, sorted into those that fit and the reports of those that do not. */
function sift(ask: Ask): { fitting: NodeState[]; rejected: CandidateReport[] } {
  const rejected: CandidateReport[] = [];
  const fitting: NodeState[] = [];
  for (const cluster of ask.world.clusters) {
    const fallen = checkCluster(ask, cluster);
    if (fallen !== undefined) {
      rejected.push(fallen);
      continue;
    }
    for (const node of cluster.nodes) {
      const report = checkNode(ask, node);
      if (report.rejected === undefined) fitting.push(node);
      else rejected.push(report);
    }
  }
  return { fitting, rejected };
}

function rankAll(ask: Ask, fitting: readonly NodeState[]): Scored[] {
  return rank(
    ask,
    fitting.map((node) => scoreNode(ask, node)),
  );
}

function choose(ask: Ask, moveReason: string | undefined): PlacementResult {
  const { fitting, rejected } = sift(ask);
  const ranked = rankAll(ask, fitting);
  const candidates = [...ranked.map(reportOf), ...rejected];
  const [best, second] = ranked;
  if (best === undefined) {
    const explanation: Explanation = { ...explanationFor(ask), outcome: "rejected", moveReason, candidates };
    return { ok: false, explanation, message: rejectionMessage(ask.request, ask.world, explanation) };
  }
  return {
    ok: true,
    placement: placementOn(ask, best.node),
    explanation: {
      ...explanationFor(ask),
      outcome: ask.prior === undefined ? "placed" : "moved",
      moveReason,
      candidates,
      margin: second === undefined ? undefined : best.score - second.score,
    },
  };
}

/** Best first: the own cluster before every other, then by score, then by rendezvous hash, then by name. */
function rank(ask: Ask, scored: readonly Scored[]): Scored[] {
  const withTies = scored.map((candidate) => ({
    candidate,
    home: isAtHome(ask, candidate.node.cluster) ? 1 : 0,
    tie: rendezvousWeight(ask.request.key, candidate.node.key),
  }));
  withTies.sort(
    (left, right) =>
      right.home - left.home ||
      right.candidate.score - left.candidate.score ||
      right.tie - left.tie ||
      compareText(left.candidate.node.key, right.candidate.node.key),
  );
  return withTies.map(({ candidate, home }) => (home === 1 ? atHome(candidate) : candidate));
}

function atHome(candidate: Scored): Scored {
  const detail = `already in ${candidate.node.cluster.facts.id}: preferred to every other cluster, whatever the scores`;
  return { ...candidate, terms: [...candidate.terms, { term: "home", points: 0, detail }] };
}

function checkCluster(ask: Ask, cluster: ClusterState): CandidateReport | undefined {
  for (const filter of CLUSTER_FILTERS) {
    const shortfalls = filter.check(ask, cluster);
    if (shortfalls.length > 0) return { cluster: cluster.facts.id, rejected: rejection(filter.name, shortfalls) };
  }
  return undefined;
}

function checkNode(ask: Ask, node: NodeState): CandidateReport {
  const place = { cluster: node.cluster.facts.id, node: node.facts.name };
  for (const filter of NODE_FILTERS) {
    const shortfalls = filter.check(ask, node);
    if (shortfalls.length > 0) return { ...place, rejected: rejection(filter.name, shortfalls) };
  }
  return place;
}

function rejection(filter: string, shortfalls: Shortfall[]): NonNullable<CandidateReport["rejected"]> {
  return { filter, reasons: shortfalls.map(({ text }) => text), shortfalls };
}

function reportOf({ node, score, terms }: Scored): CandidateReport {
  return { cluster: node.cluster.facts.id, node: node.facts.name, score, terms };
}

function placementOn(ask: Ask, node: NodeState): Placement {
  return {
    cluster: node.cluster.facts.id,
    node: node.facts.name,
    storages: storageIds(ask, node.cluster).map((id) => id ?? ""),
  };
}

function explanationFor({ request }: Ask): Pick<Explanation, "request" | "strategy" | "strategyWindow"> {
  const scheduledIn = request.pool?.scheduledIn;
  return {
    request: { key: request.key, name: request.name },
    strategy: request.pool?.strategy ?? "balanced",
    ...(scheduledIn === undefined ? {} : { strategyWindow: windowWords(scheduledIn) }),
  };
}
