import { type Ask, askFor, isAtHome, storageIds } from "../ask";
import { CLUSTER_FILTERS, NODE_FILTERS } from "../filters";
import { guestAntiAffinity } from "../filters/guest-anti-affinity";
import type { Placement, PlacementRequest } from "../model";
import { carriedBytes } from "../moves/carried-bytes";
import { rendezvousWeight } from "../order";
import { type AppliedRule, guestsWithTag, hasTag } from "../rules";
import { scoreNode } from "../scores";
import type { ClusterState, NodeState, World } from "../world";
import { compareCosts, FREE, moveCost } from "./cost";
import { type Company, type Item, type Option, type RepairModel, SAME_CLUSTER, SAME_NODE } from "./model";
import { Resources } from "./resources";

/** What of a federation a model is about. */
export interface RepairScope {
  /** Not in the world; each one's prior place, if any, is where its live guest is. */
  requests: readonly PlacementRequest[];
  /** Every guest that is not a subject of the model, where it will be. */
  world: World;
  /** The nodes the requests may be on. */
  nodes: readonly NodeState[];
  /** Keys of those that have to be decided. */
  troubled: ReadonlySet<string>;
  /** Where a plan would put them; the first choice among places that cost the same. */
  planned: ReadonlyMap<string, Placement>;
  /** Indexes of nodes on which the world holds newcomers. */
  newcomers: ReadonlySet<number>;
}

/** Asks every filter once and writes down what may go where. */
export function compileRepair({ requests, world, nodes, troubled, newcomers, planned }: RepairScope): RepairModel {
  const asks = requests.map((request) => askFor(request, world));
  const resources = new Resources(world, nodes, newcomers);
  const items = asks.map((ask) => itemOf(ask, nodes, resources, troubled.has(ask.request.key), planned.get(ask.request.key)));
  return { nodes, items, resources: resources.rows, conflicts: conflictsOf(asks), company: companyOf(asks, nodes) };
}

/** Where a request would be on that node. */
export function placementAt(ask: Ask, node: NodeState): Placement {
  return { cluster: node.cluster.facts.id, node: node.facts.name, storages: storageIds(ask, node.cluster).map((id) => id ?? "") };
}

function itemOf(ask: Ask, nodes: readonly NodeState[], resources: Resources, isTroubled: boolean, planned: Placement | undefined): Item {
  const { request, prior } = ask;
  const open = new Map<ClusterState, boolean>();
  const options: { option: Option; tie: number }[] = [];
  nodes.forEach((node, index) => {
    if (!isOpen(ask, node, open)) return;
    const uses = resources.usesAt(ask, node);
    if (uses.some((use) => use.asks && use.amount > resources.rows[use.resource]!.capacity)) return;
    const stays = isAtHome(ask, node);
    const to = placementAt(ask, node);
    const cost = stays || prior === undefined ? FREE : moveCost(carriedBytes(request, prior, to, ask.world), prior.cluster !== to.cluster);
    const isPlanned = planned?.cluster === to.cluster && planned.node === to.node;
    const score = isPlanned ? Number.MAX_SAFE_INTEGER : scoreNode(ask, node).score;
    const option = { node: index, stays, cost, uses, score };
    options.push({ option, tie: rendezvousWeight(request.key, node.key) });
  });
  options.sort(
    (left, right) =>
      Number(right.option.stays) - Number(left.option.stays) ||
      compareCosts(left.option.cost, right.option.cost) ||
      right.option.score - left.option.score ||
      right.tie - left.tie ||
      left.option.node - right.option.node,
  );
  const home = prior === undefined ? -1 : nodes.findIndex((node) => isAtHome(ask, node));
  return { request, options: options.map(({ option }) => option), home, unplaced: resources.heldUses(ask, nodes), isTroubled };
}

/** What no other guest of the model can change: the fixed filters, and the company of guests outside the model. */
function isOpen(ask: Ask, node: NodeState, open: Map<ClusterState, boolean>): boolean {
  const { cluster } = node;
  const known = open.get(cluster) ?? CLUSTER_FILTERS.every((filter) => filter.dynamic || filter.check(ask, cluster).length === 0);
  open.set(cluster, known);
  if (!known || !NODE_FILTERS.every((filter) => filter.dynamic || filter.check(ask, node).length === 0)) return false;
  return (
    storageIds(ask, cluster).every((id) => id !== undefined && node.storages.has(id)) && guestAntiAffinity.check(ask, node).length === 0
  );
}

function conflictsOf(asks: readonly Ask[]): Uint8Array {
  const count = asks.length;
  const conflicts = new Uint8Array(count * count);
  asks.forEach(({ rules }, index) => {
    for (const { rule } of rules.apart) {
      const scope = rule.scope === "cluster" ? SAME_CLUSTER : SAME_NODE;
      asks.forEach((other, position) => {
        if (position === index || !hasTag(other.request.tags, rule.value)) return;
        const strictest = Math.max(scope, conflicts[index * count + position]!);
        conflicts[index * count + position] = strictest;
        conflicts[position * count + index] = strictest;
      });
    }
  });
  return conflicts;
}

function companyOf(asks: readonly Ask[], nodes: readonly NodeState[]): Company[] {
  return asks.flatMap((ask, item) => ask.rules.together.flatMap((applies) => companyFor(applies, item, asks, nodes)));
}

function companyFor({ rule }: AppliedRule, item: number, asks: readonly Ask[], nodes: readonly NodeState[]): Company[] {
  const carriers = asks.flatMap(({ request }, index) => (index !== item && hasTag(request.tags, rule.value) ? [index] : []));
  const satisfiedNodes = new Set(nodes.flatMap((node, index) => (guestsWithTag(rule.value, node, rule.scope).length > 0 ? [index] : [])));
  const isFirst = carriers.length === 0 && hasTag(asks[item]!.request.tags, rule.value) && !isCarriedAnywhere(asks[item]!, rule.value);
  return isFirst ? [] : [{ item, scope: rule.scope ?? "node", carriers, satisfiedNodes }];
}

function isCarriedAnywhere({ world }: Ask, tag: string): boolean {
  return world.clusters.some(({ nodes }) => nodes.some((node) => guestsWithTag(tag, node, "node").length > 0));
}
