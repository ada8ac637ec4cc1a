import { type Assignment, NOWHERE, type RepairModel, SAME_CLUSTER, type Use } from "./model";

/**
 * Who is where in a random search for a repair. A *place* is a number of its own for each item and option, or item and
 * nowhere; what a change of place needs lies in flat arrays, because hundreds of thousands are tried.
 */
export class Trial {
  readonly itemCount: number;
  /** Places of an item: `placeStart[item]` to below `placeStart[item + 1]`, in the order of its options, nowhere last. */
  readonly placeStart: Int32Array;
  /** Node of a place; -1 for a new guest without one. */
  readonly nodeOf: Int32Array;
  /** The place of each item. */
  readonly place: Int32Array;
  /** Items on a node, in no order. */
  readonly onNode: number[][];
  /** Guests moved only to make room. */
  displaced = 0;
  private readonly isPlaced: Uint8Array;
  private readonly isArrival: Uint8Array;
  private readonly isDisplacement: Uint8Array;
  private readonly useStart: Int32Array;
  private readonly useResource: Int32Array;
  private readonly useAmount: Float64Array;
  private readonly useAsks: Uint8Array;
  private readonly capacity: Float64Array;
  private readonly load: Float64Array;
  /** By resource: how many who ask for more than they have there; with none, it may be overfull. */
  private readonly newcomers: Int32Array;
  private readonly enemies: readonly Enemy[][];
  private readonly clusterOf: Int32Array;
  /** Since the last {@link keep}: items that moved, and where they were. */
  private readonly changed: number[] = [];
  private readonly before: number[] = [];

  constructor(model: RepairModel, start: Assignment) {
    const { items, resources, nodes } = model;
    const count = items.reduce((sum, { options, isTroubled }) => sum + options.length + Number(isTroubled), 0);
    this.itemCount = items.length;
    this.placeStart = new Int32Array(items.length + 1);
    this.nodeOf = new Int32Array(count);
    this.isPlaced = new Uint8Array(count);
    this.isArrival = new Uint8Array(count);
    this.isDisplacement = new Uint8Array(count);
    this.useStart = new Int32Array(count + 1);
    const uses: Use[] = [];
    let place = 0;
    items.forEach(({ options, isTroubled, unplaced, home }, item) => {
      for (const option of options) {
        this.nodeOf[place] = option.node;
        this.isPlaced[place] = 1;
        this.isArrival[place] = Number(!option.stays);
        this.isDisplacement[place] = Number(!option.stays && !isTroubled);
        uses.push(...option.uses);
        this.useStart[++place] = uses.length;
      }
      if (isTroubled) {
        this.nodeOf[place] = home;
        uses.push(...unplaced);
        this.useStart[++place] = uses.length;
      }
      this.placeStart[item + 1] = place;
    });
    this.useResource = Int32Array.from(uses, ({ resource }) => resource);
    this.useAmount = Float64Array.from(uses, ({ amount }) => amount);
    this.useAsks = Uint8Array.from(uses, ({ asks }) => Number(asks));
    this.capacity = Float64Array.from(resources, ({ capacity }) => capacity);
    this.load = Float64Array.from(resources, ({ taken }) => taken);
    this.newcomers = Int32Array.from(resources, ({ hasNewcomer }) => Number(hasNewcomer));
    const clusters = [...new Set(nodes.map(({ cluster }) => cluster))];
    this.clusterOf = Int32Array.from(nodes, ({ cluster }) => clusters.indexOf(cluster));
    this.enemies = enemiesIn(model);
    this.onNode = nodes.map(() => []);
    this.place = new Int32Array(items.length);
    start.forEach((option, item) => {
      this.enter(item, option === NOWHERE ? this.placeStart[item + 1]! - 1 : this.placeStart[item]! + option);
    });
  }

  /** The option an item has, or {@link NOWHERE}. */
  optionOf(item: number): number {
    const place = this.place[item]!;
    return this.isPlaced[place] === 1 ? place - this.placeStart[item]! : NOWHERE;
  }

  /** The place where an item may stay; -1 when it may not. */
  homeOf(item: number): number {
    const first = this.placeStart[item]!;
    return this.isPlaced[first] === 1 && this.isArrival[first] === 0 ? first : -1;
  }

  isDisplaced(item: number): boolean {
    return this.isDisplacement[this.place[item]!] === 1;
  }

  /** Gives an item another place; until {@link keep} that can be taken back. */
  move(item: number, to: number): void {
    this.changed.push(item);
    this.before.push(this.place[item]!);
    this.leave(item);
    this.enter(item, to);
  }

  keep(): void {
    this.changed.length = 0;
    this.before.length = 0;
  }

  /** Takes back the last change, if there is one. */
  undo(): void {
    const item = this.changed.pop();
    const from = this.before.pop();
    if (item === undefined || from === undefined) return;
    this.leave(item);
    this.enter(item, from);
  }

  undoAll(): void {
    while (this.changed.length > 0) this.undo();
  }

  /** Items that moved since the last {@link keep}. */
  get moved(): readonly number[] {
    return this.changed;
  }

  /** By how much a sum over places has grown since the last {@link keep}. */
  added(perPlace: Float64Array): number {
    let sum = 0;
    for (let index = 0; index < this.changed.length; index++) {
      sum += perPlace[this.place[this.changed[index]!]!]! - perPlace[this.before[index]!]!;
    }
    return sum;
  }

  /** Whether something that the item takes is overfull although somebody came to it. */
  isOverfull(item: number): boolean {
    const place = this.place[item]!;
    for (let use = this.useStart[place]!; use < this.useStart[place + 1]!; use++) {
      const resource = this.useResource[use]!;
      if (this.newcomers[resource]! > 0 && this.load[resource]! > this.capacity[resource]!) return true;
    }
    return false;
  }

  /** Somebody who may not be near the item where it is now; -1 when there is nobody. */
  enemyOf(item: number): number {
    const place = this.place[item]!;
    const node = this.nodeOf[place]!;
    if (node < 0) return -1;
    for (const { other, scope } of this.enemies[item]!) {
      const theirs = this.place[other]!;
      const near = this.nodeOf[theirs]!;
      if (near < 0 || (near !== node && (scope !== SAME_CLUSTER || this.clusterOf[near] !== this.clusterOf[node]))) continue;
      // Who stays against a rule may be with others who were there, not with newcomers.
      const isExcused = this.isPlaced[place]! + this.isPlaced[theirs]! < 2 && this.isArrival[place]! + this.isArrival[theirs]! === 0;
      if (!isExcused) return other;
    }
    return -1;
  }

  isValid(): boolean {
    for (let item = 0; item < this.itemCount; item++) if (this.isOverfull(item) || this.enemyOf(item) >= 0) return false;
    return true;
  }

  assignment(): Assignment {
    return Array.from({ length: this.itemCount }, (_, item) => this.optionOf(item));
  }

  private enter(item: number, place: number): void {
    this.place[item] = place;
    this.count(place, 1);
    const node = this.nodeOf[place]!;
    if (node >= 0) this.onNode[node]!.push(item);
  }

  private leave(item: number): void {
    const place = this.place[item]!;
    this.count(place, -1);
    const node = this.nodeOf[place]!;
    if (node < 0) return;
    const there = this.onNode[node]!;
    const last = there.pop()!;
    if (last !== item) there[there.indexOf(item)] = last;
  }

  private count(place: number, sign: 1 | -1): void {
    this.displaced += sign * this.isDisplacement[place]!;
    for (let use = this.useStart[place]!; use < this.useStart[place + 1]!; use++) {
      const resource = this.useResource[use]!;
      this.load[resource]! += sign * this.useAmount[use]!;
      if (this.useAsks[use] === 1) this.newcomers[resource]! += sign;
    }
  }
}

interface Enemy {
  other: number;
  scope: number;
}

function enemiesIn({ items, conflicts }: RepairModel): Enemy[][] {
  return items.map((_, item) =>
    items.flatMap((__, other) => {
      const scope = conflicts[item * items.length + other]!;
      return scope === 0 ? [] : [{ other, scope }];
    }),
  );
}
