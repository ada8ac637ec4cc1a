import { addCosts, type Cost, compareCosts } from "./cost";
import { FLOATING, type Layout, leastCost } from "./layout";
import type { RepairModel, Resource } from "./model";

type Kind = Extract<Resource["kind"], "cores" | "memory">;

interface Share {
  cluster: number;
  /** Rows of that kind, of nodes that somebody may come to. */
  resources: number[];
  /** By item. */
  amounts: Float64Array;
  /** Items of the cluster that could go to another one, those with the fewest bytes per amount first, with these bytes. */
  leavers: { item: number; linkBytes: number }[];
}

/**
 * What the sum of the capacities says: guests that do not fit into what is free in all have no place, and of those that do
 * not fit into what is free in their cluster, some go to another one and carry their bytes there. Whoever moves inside
 * changes nothing about these sums, so they end many branches early.
 */
export class CapacityBound {
  private readonly shares: Share[];
  private readonly totals: { resources: number[]; amounts: Float64Array }[];

  constructor(private readonly model: RepairModel) {
    const { nodes } = model;
    const clusters = [...new Set(nodes.map(({ cluster }) => cluster))];
    const clusterOf = nodes.map(({ cluster }) => clusters.indexOf(cluster));
    const kinds: Kind[] = ["cores", "memory"];
    this.totals = kinds.map((kind) => ({ resources: this.rowsOf(kind), amounts: this.amountsOf(kind) }));
    this.shares = clusters.flatMap((_, cluster) =>
      kinds.map((kind) => {
        const amounts = this.amountsOf(kind);
        const resources = this.rowsOf(kind).filter((row) => clusterOf[model.resources[row]!.node]! === cluster);
        return { cluster, resources, amounts, leavers: this.leaversOf(cluster, clusterOf, amounts) };
      }),
    );
  }

  /** True when nothing below `best` can come of the layout. */
  isHopeless(layout: Layout, best: Cost): boolean {
    const unplaced = this.unplacedAtLeast(layout);
    if (unplaced > 0) {
      const [most, link] = [layout.bound[0] + unplaced, layout.bound[1] - this.dearest(layout, unplaced)];
      return compareCosts([most, link, 0], best) >= 0;
    }
    // One more without a place would save bytes: then this says nothing.
    return (
      layout.bound[0] === best[0] &&
      this.shares.some((share) => compareCosts(addCosts(layout.bound, [0, bytesOut(share, layout), 0]), best) >= 0)
    );
  }

  private unplacedAtLeast(layout: Layout): number {
    let most = 0;
    for (const { resources, amounts } of this.totals) {
      let free = freeIn(resources, layout);
      const wanted = layout.floating.filter((item) => leastCost(this.model.items[item]!)[0] === 0).map((item) => amounts[item]!);
      wanted.sort((left, right) => left - right);
      const fitting = wanted.findIndex((amount) => {
        free -= amount;
        return free < 0;
      });
      if (fitting >= 0) most = Math.max(most, wanted.length - fitting);
    }
    return most;
  }

  /** Bytes that as many floating items would have carried at the most. */
  private dearest(layout: Layout, count: number): number {
    const bytes = layout.floating.map((item) => leastCost(this.model.items[item]!)[1]).sort((left, right) => right - left);
    return bytes.slice(0, count).reduce((sum, each) => sum + each, 0);
  }

  private rowsOf(kind: Kind): number[] {
    const { resources, items } = this.model;
    const asked = new Set(
      items.flatMap(({ options }) => options.flatMap(({ uses }) => uses.flatMap((use) => (use.asks ? [use.resource] : [])))),
    );
    return resources.flatMap((resource, row) => (resource.kind === kind && asked.has(row) ? [row] : []));
  }

  private amountsOf(kind: Kind): Float64Array {
    const { resources, items } = this.model;
    return Float64Array.from(items, ({ options }) => {
      const use = options[0]?.uses.find(({ resource }) => resources[resource]!.kind === kind);
      return use?.amount ?? 0;
    });
  }

  private leaversOf(cluster: number, clusterOf: readonly number[], amounts: Float64Array): Share["leavers"] {
    const leavers = this.model.items.flatMap(({ options, home }, item) => {
      if (home < 0 || clusterOf[home] !== cluster || amounts[item] === 0) return [];
      const away = options.find(({ node }) => clusterOf[node] !== cluster);
      return away === undefined ? [] : [{ item, linkBytes: away.cost[1] }];
    });
    return leavers.sort(
      (left, right) => left.linkBytes / amounts[left.item]! - right.linkBytes / amounts[right.item]! || left.item - right.item,
    );
  }
}

/** Bytes that have to leave the cluster at least: as much of its guests as does not fit, the cheapest first. */
function bytesOut({ resources, amounts, leavers, cluster }: Share, layout: Layout): number {
  let excess = -freeIn(resources, layout);
  for (const item of layout.floating)
    if (layout.isAtHomeIn(item, cluster) && leastCost(layout.model.items[item]!)[1] === 0) excess += amounts[item]!;
  let bytes = 0;
  for (const { item, linkBytes } of leavers) {
    if (excess <= 0) break;
    const isOpen = layout.isFree[item] === 1 || (layout.place[item] === FLOATING && leastCost(layout.model.items[item]!)[1] === 0);
    if (!isOpen) continue;
    bytes += linkBytes * Math.min(1, excess / amounts[item]!);
    excess -= amounts[item]!;
  }
  return Math.floor(bytes);
}

function freeIn(resources: readonly number[], layout: Layout): number {
  return resources.reduce((sum, row) => sum + Math.max(0, layout.model.resources[row]!.capacity - layout.load[row]!), 0);
}
