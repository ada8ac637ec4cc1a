import { addCosts, type Cost, FREE, UNPLACED } from "./cost";
import { type Assignment, type Item, NOWHERE, type Option, type RepairModel, SAME_CLUSTER, type Use } from "./model";

/** Left its place and has no new one yet. */
export const FLOATING = -2;

/**
 * Who is where while a repair is being searched, and what that adds up to. Items are *free* until it is decided that they
 * stay where they are; who has been given a place is never free.
 */
export class Layout {
  /** Index into the item's options, {@link NOWHERE} or {@link FLOATING}. */
  readonly place: Int32Array;
  readonly isFree: Uint8Array;
  readonly load: Float64Array;
  /** Of the load, what free items could take away. */
  readonly freeLoad: Float64Array;
  /** How many who ask for more than they have there; with none, a resource may be overfull. */
  readonly newcomers: Int32Array;
  readonly floating: number[] = [];
  /** Guests moved only to make room. */
  displaced = 0;
  /** Cost of what is decided, and at least what those without a place will cost. */
  bound: Cost = FREE;
  private readonly onNode: number[][];
  private readonly clusterOf: number[];
  private readonly nodesOfCluster: number[][];

  /** @param fixed the place of items that are not to be decided; {@link FLOATING} for the others. Default: none is fixed */
  constructor(
    readonly model: RepairModel,
    fixed: Assignment = model.items.map(() => FLOATING),
  ) {
    const { items, resources, nodes } = model;
    this.place = new Int32Array(items.length).fill(FLOATING);
    this.isFree = new Uint8Array(items.length);
    this.load = Float64Array.from(resources, ({ taken }) => taken);
    this.freeLoad = new Float64Array(resources.length);
    this.newcomers = Int32Array.from(resources, ({ hasNewcomer }) => Number(hasNewcomer));
    this.onNode = nodes.map(() => []);
    const clusters = [...new Set(nodes.map(({ cluster }) => cluster))];
    this.clusterOf = nodes.map(({ cluster }) => clusters.indexOf(cluster));
    this.nodesOfCluster = nodes.map(({ cluster }) => nodes.flatMap((other, index) => (other.cluster === cluster ? [index] : [])));
    items.forEach((item, index) => {
      const settled = fixed[index]!;
      if (settled !== FLOATING) {
        this.enter(index, settled);
        this.bound = addCosts(this.bound, this.option(index)?.cost ?? UNPLACED);
        if (!item.isTroubled && !this.option(index)?.stays) this.displaced += 1;
      } else if (item.options[0]?.stays) {
        this.enter(index, 0);
        this.setFree(index, true);
      } else {
        this.floating.push(index);
        this.bound = addCosts(this.bound, leastCost(item));
      }
    });
  }

  option(item: number): Option | undefined {
    return this.model.items[item]!.options[this.place[item]!];
  }

  /** Whether the item's node, before anything moves, is in that cluster (numbered as the nodes name them). */
  isAtHomeIn(item: number, cluster: number): boolean {
    const { home } = this.model.items[item]!;
    return home >= 0 && this.clusterOf[home] === cluster;
  }

  /** Takes a settled, free item off its place; returns how to undo it. */
  lift(item: number): () => void {
    const before = this.bound;
    const was = this.place[item]!;
    this.setFree(item, false);
    this.leave(item);
    this.floating.push(item);
    const { isTroubled } = this.model.items[item]!;
    if (!isTroubled) this.displaced += 1;
    this.bound = addCosts(before, leastCost(this.model.items[item]!));
    return () => {
      if (!isTroubled) this.displaced -= 1;
      this.floating.splice(this.floating.indexOf(item), 1);
      this.enter(item, was);
      this.setFree(item, true);
      this.bound = before;
    };
  }

  /** Gives a floating item a place (or none); returns how to undo it. */
  settle(item: number, option: number): () => void {
    const before = this.bound;
    const position = this.floating.indexOf(item);
    this.floating.splice(position, 1);
    this.enter(item, option);
    const cost = this.option(item)?.cost ?? UNPLACED;
    const least = leastCost(this.model.items[item]!);
    this.bound = [before[0] + cost[0] - least[0], before[1] + cost[1] - least[1], before[2] + cost[2] - least[2]];
    return () => {
      this.leave(item);
      this.floating.splice(position, 0, item);
      this.bound = before;
    };
  }

  /** Decides that a free item stays where it is, or takes that back. */
  setFree(item: number, isFree: boolean): void {
    if (this.isFree[item] === Number(isFree)) return;
    this.isFree[item] = Number(isFree);
    for (const { resource, amount } of this.usesOf(item)) this.freeLoad[resource]! += isFree ? amount : -amount;
  }

  /** True where the option is open unless those who stay anyway are in the way. */
  isOpen(item: number, option: Option): boolean {
    for (const { resource, amount, asks } of option.uses) {
      if (!asks && this.newcomers[resource] === 0) continue;
      if (this.load[resource]! + amount - this.freeLoad[resource]! > this.model.resources[resource]!.capacity) return false;
    }
    return this.inTheWay(item, option.node) !== undefined;
  }

  needsRoom(option: Option): boolean {
    return option.uses.some(
      ({ resource, amount, asks }) =>
        (asks || this.newcomers[resource]! > 0) && this.load[resource]! + amount > this.model.resources[resource]!.capacity,
    );
  }

  /** Free items that would have to leave because of a rule; `undefined` when somebody who may not be there stays. */
  inTheWay(item: number, node: number): number[] | undefined {
    const { conflicts, items } = this.model;
    const found: number[] = [];
    for (const place of this.nodesOfCluster[node]!) {
      for (const other of this.onNode[place]!) {
        const conflict = conflicts[item * items.length + other]!;
        if (conflict === 0 || (place !== node && conflict !== SAME_CLUSTER)) continue;
        if (this.isFree[other] === 0) return undefined;
        found.push(other);
      }
    }
    return found;
  }

  /** False where a newcomer is on the item's node that may not be with it: then the item has to leave. */
  mayStayAnyway(item: number): boolean {
    const { conflicts, items } = this.model;
    const { home } = items[item]!;
    if (home < 0) return true;
    return this.nodesOfCluster[home]!.every((place) =>
      this.onNode[place]!.every((other) => {
        const conflict = conflicts[item * items.length + other]!;
        if (conflict === 0 || (place !== home && conflict !== SAME_CLUSTER)) return true;
        return this.place[other] === NOWHERE || this.option(other)?.stays === true;
      }),
    );
  }

  /** A resource that is overfull although somebody came to it. */
  findOverfull(): number | undefined {
    const { resources } = this.model;
    for (let resource = 0; resource < resources.length; resource++) {
      if (this.newcomers[resource]! > 0 && this.load[resource]! > resources[resource]!.capacity) return resource;
    }
    return undefined;
  }

  isWithCompany(): boolean {
    return this.model.company.every(({ item, scope, carriers, satisfiedNodes }) => {
      const node = this.option(item)?.node;
      if (node === undefined || satisfiedNodes.has(node)) return true;
      const near = scope === "cluster" ? this.nodesOfCluster[node]! : [node];
      return carriers.some((carrier) => near.some((place) => this.onNode[place]!.includes(carrier)));
    });
  }

  private usesOf(item: number): readonly Use[] {
    return this.place[item] === NOWHERE ? this.model.items[item]!.unplaced : (this.option(item)?.uses ?? []);
  }

  private enter(item: number, option: number): void {
    this.place[item] = option;
    this.count(item, 1);
    const node = this.nodeOf(item);
    if (node >= 0) this.onNode[node]!.push(item);
  }

  private leave(item: number): void {
    this.count(item, -1);
    const node = this.nodeOf(item);
    if (node >= 0) {
      const there = this.onNode[node]!;
      there.splice(there.indexOf(item), 1);
    }
    this.place[item] = FLOATING;
  }

  /** Who stays against the rules is still there, and newcomers may not be with it. */
  private nodeOf(item: number): number {
    return this.option(item)?.node ?? this.model.items[item]!.home;
  }

  private count(item: number, sign: 1 | -1): void {
    for (const { resource, amount, asks } of this.usesOf(item)) {
      this.load[resource]! += sign * amount;
      if (asks) this.newcomers[resource]! += sign;
    }
  }
}

/** What leaving costs at least; of an item that has to find a place, what that costs. */
export function leastCost(item: Item): Cost {
  return item.options.find(({ stays }) => !stays)?.cost ?? UNPLACED;
}
