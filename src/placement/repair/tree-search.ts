import { CapacityBound } from "./capacity-bound";
import { addCosts, type Cost, compareCosts } from "./cost";
import { Layout, leastCost } from "./layout";
import { type Assignment, NOWHERE, type RepairModel, SAME_CLUSTER } from "./model";

export interface TreeOptions {
  /** Steps (a guest given a place) after which the best found so far is the answer. A count, so that the answer is the same everywhere. */
  steps: number;
  /** Guests that may be moved only to make room for others. */
  mostDisplaced: number;
  /** Only what costs less than this is of interest. */
  below?: Cost;
  /** Places that are not to be decided; `FLOATING` for the others. */
  fixed?: Assignment;
  /** Whether a layout that the model allows is really allowed; the model may not know every rule. */
  accepts(assignment: Assignment): boolean;
}

export interface RepairFound {
  /** Absent when nothing below the limit was found. */
  assignment?: Assignment;
  cost?: Cost;
  /** True when everything was looked at: there is nothing cheaper in the model. */
  isProven: boolean;
  steps: number;
}

/**
 * The cheapest repair by branch and bound over what is wrong: a resource that is overfull (one of those who are free leaves),
 * two who may not be together (one leaves), a guest without a place (it goes to one of its options, even where others then
 * have to make room). Depth first, cheapest first; a branch ends as soon as it cannot become cheaper than the best.
 */
export function searchTree(model: RepairModel, options: TreeOptions): RepairFound {
  return new TreeSearch(model, options).run();
}

/** Asking every filter takes as long as so many steps. */
const REFUSAL_STEPS = 50;

class TreeSearch {
  private readonly layout: Layout;
  private readonly capacity: CapacityBound;
  private readonly start: Int32Array;
  private readonly pairs: [number, number][];
  private steps = 0;
  private best: Assignment | undefined;
  private bestCost: Cost | undefined;

  constructor(
    private readonly model: RepairModel,
    private readonly options: TreeOptions,
  ) {
    this.layout = new Layout(model, options.fixed);
    this.bestCost = options.below;
    this.capacity = new CapacityBound(model);
    this.start = this.layout.place.slice();
    this.pairs = this.pairsTogether();
  }

  run(): RepairFound {
    this.solve();
    const cost = this.best === undefined ? undefined : this.bestCost;
    return { assignment: this.best, cost, isProven: this.steps < this.options.steps, steps: this.steps };
  }

  private solve(): void {
    const { layout } = this;
    if (this.steps >= this.options.steps || !this.isBelowBest(layout.bound) || layout.displaced > this.options.mostDisplaced) return;
    const overfull = layout.findOverfull();
    if (overfull !== undefined) this.empty(overfull);
    else {
      const pair = this.pairs.find(([left, right]) => layout.place[left] === this.start[left] && layout.place[right] === this.start[right]);
      if (pair !== undefined) this.separate(pair);
      else if (layout.floating.length > 0) {
        if (this.bestCost === undefined || !this.capacity.isHopeless(layout, this.bestCost)) this.settleOne();
      } else if (layout.isWithCompany()) this.take();
      else this.bringCompany();
    }
  }

  /** One of those who are free leaves; after each is tried it stays for the rest, so that no set of leavers is tried twice. */
  private empty(resource: number): void {
    const { layout, model } = this;
    const excess = layout.load[resource]! - model.resources[resource]!.capacity;
    if (layout.freeLoad[resource]! < excess) return;
    const takes = (item: number) => layout.option(item)?.uses.find((use) => use.resource === resource)?.amount ?? 0;
    const leavers = this.freeItems()
      .filter((item) => takes(item) > 0)
      .map((item) => ({ item, cost: leastCost(model.items[item]!) }));
    leavers.sort((left, right) => compareCosts(left.cost, right.cost) || left.item - right.item);
    this.tryLeavers(leavers.filter(({ cost }) => this.isBelowBest(addCosts(layout.bound, cost))).map(({ item }) => item));
  }

  private separate([left, right]: [number, number]): void {
    const { layout, model } = this;
    const pair = [left, right].filter((item) => layout.isFree[item] === 1);
    pair.sort((first, second) => compareCosts(leastCost(model.items[first]!), leastCost(model.items[second]!)) || first - second);
    this.tryLeavers(pair);
  }

  private tryLeavers(leavers: readonly number[]): void {
    const { layout } = this;
    const stays: number[] = [];
    for (const item of leavers) {
      const undo = layout.lift(item);
      this.solve();
      undo();
      layout.setFree(item, false);
      stays.push(item);
    }
    for (const item of stays) layout.setFree(item, true);
  }

  /** The floating item with the fewest places goes first: it decides the most. */
  private settleOne(): void {
    const { layout, model } = this;
    let chosen = -1;
    let open: number[] = [];
    for (const item of layout.floating) {
      const places = this.openOptions(item);
      if (chosen < 0 || places.length < open.length || (places.length === open.length && this.isBulkier(item, chosen))) {
        chosen = item;
        open = places;
      }
      if (open.length === 0) break;
    }
    for (const option of this.emptiestFirst(chosen, open)) this.tryOption(chosen, option);
    const { isTroubled } = model.items[chosen]!;
    // Who had a place that was good keeps it before it is given up for somebody else.
    if (isTroubled && layout.mayStayAnyway(chosen)) this.continueWith(chosen, NOWHERE);
  }

  /** Among options that cost the same, those that nobody has to leave. */
  private emptiestFirst(item: number, open: readonly number[]): number[] {
    const { options } = this.model.items[item]!;
    const ranked = open.map((index) => ({ index, cost: options[index]!.cost, needsRoom: this.layout.needsRoom(options[index]!) }));
    ranked.sort(
      (left, right) => compareCosts(left.cost, right.cost) || Number(left.needsRoom) - Number(right.needsRoom) || left.index - right.index,
    );
    return ranked.map(({ index }) => index);
  }

  private openOptions(item: number): number[] {
    const { layout } = this;
    const { options } = this.model.items[item]!;
    const open: number[] = [];
    for (let index = 0; index < options.length; index++) {
      if (!options[index]!.stays && layout.isOpen(item, options[index]!)) open.push(index);
    }
    return open;
  }

  private isBulkier(left: number, right: number): boolean {
    const { items } = this.model;
    const bulk = ({ request }: (typeof items)[number]) => request.memoryMiB + request.cores * 1024;
    const difference = bulk(items[left]!) - bulk(items[right]!);
    return difference > 0 || (difference === 0 && left < right);
  }

  private tryOption(item: number, index: number): void {
    const { layout } = this;
    const option = this.model.items[item]!.options[index]!;
    const leaving = layout.inTheWay(item, option.node);
    if (leaving === undefined) return;
    const undo = leaving.map((other) => layout.lift(other));
    this.continueWith(item, index);
    for (const back of undo.reverse()) back();
  }

  private continueWith(item: number, option: number): void {
    this.steps += 1;
    const undo = this.layout.settle(item, option);
    this.solve();
    undo();
  }

  /** Somebody lacks the company a rule demands: it leaves, if it is free to. */
  private bringCompany(): void {
    const { layout, model } = this;
    const lonely = model.company.map(({ item }) => item).filter((item) => layout.isFree[item] === 1);
    const carriers = model.company.flatMap((company) => company.carriers).filter((item) => layout.isFree[item] === 1);
    this.tryLeavers([...new Set([...lonely, ...carriers])]);
  }

  private take(): void {
    const assignment = [...this.layout.place];
    if (!this.options.accepts(assignment)) {
      this.steps += REFUSAL_STEPS;
      return;
    }
    this.best = assignment;
    this.bestCost = this.layout.bound;
  }

  private freeItems(): number[] {
    const free: number[] = [];
    for (let item = 0; item < this.model.items.length; item++) if (this.layout.isFree[item] === 1) free.push(item);
    return free;
  }

  private isBelowBest(cost: Cost): boolean {
    return this.bestCost === undefined || compareCosts(cost, this.bestCost) < 0;
  }

  /** Pairs that are together at the start and may not be. */
  private pairsTogether(): [number, number][] {
    const { layout } = this;
    const { items, conflicts, nodes } = this.model;
    const pairs: [number, number][] = [];
    for (let left = 0; left < items.length; left++) {
      const first = layout.option(left);
      for (let right = left + 1; first !== undefined && right < items.length; right++) {
        const conflict = conflicts[left * items.length + right]!;
        const second = layout.option(right);
        if (conflict === 0 || second === undefined || layout.isFree[left]! + layout.isFree[right]! === 0) continue;
        const isSameCluster = nodes[first.node]!.cluster === nodes[second.node]!.cluster;
        if (first.node === second.node || (conflict === SAME_CLUSTER && isSameCluster)) pairs.push([left, right]);
      }
    }
    return pairs;
  }
}
