import type { PlacementRequest, PoolPolicy, Rule } from "../model";

/** Values per field that can be told apart; with the fields and links below all keys stay exact whole numbers. */
const VALUES = 2 ** 24;
const FIELDS = 16;

/**
 * Numbers that are equal exactly for requests which every filter and score treats alike. Built link by link from interned
 * values instead of as text, because a hundred thousand requests must not cost more than reading them. Pools and rule
 * lists are shared objects in practice, so each is written out once and then known by its number.
 */
export class Signatures {
  private readonly texts = new Map<string, number>();
  private readonly amounts = new Map<number, number>();
  private readonly links = new Map<number, number>();
  private readonly shared = new Map<object, number>();

  private last: { request: PlacementRequest; kind: number } | undefined;

  /** Everything but the amounts and the prior place. */
  ofKind(request: PlacementRequest): number {
    // Requests tend to come in runs of one kind; comparing with the one before is the cheapest answer there is.
    if (this.last !== undefined && isSameKind(this.last.request, request)) return this.last.kind;
    const kind = this.chainOf(request);
    this.last = { request, kind };
    return kind;
  }

  /** The kind of a request that has to leave a cluster. */
  ofLeaving(kind: number, cluster: string): number {
    return this.extend(kind, 12, this.textNumber(cluster));
  }

  private chainOf(request: PlacementRequest): number {
    let chain = 0;
    if (request.pool !== undefined) chain = this.extend(chain, 1, this.shareNumber(request.pool, poolText));
    for (const disk of request.disks) chain = this.extend(chain, 2, this.textNumber(disk.storageClass));
    for (const network of request.networks) chain = this.extend(chain, 3, this.textNumber(network));
    for (const tag of request.tags) chain = this.extend(chain, 4, this.textNumber(tag));
    for (const place of request.residency) chain = this.extend(chain, 5, this.textNumber(place));
    if (request.image !== undefined) chain = this.extend(chain, 6, this.textNumber(request.image));
    if (request.template !== undefined) chain = this.extend(chain, 7, this.textNumber(request.template));
    if (request.location !== undefined) chain = this.extend(chain, 8, this.textNumber(request.location));
    if (request.pin?.cluster !== undefined) chain = this.extend(chain, 9, this.textNumber(request.pin.cluster));
    if (request.pin?.node !== undefined) chain = this.extend(chain, 10, this.textNumber(request.pin.node));
    if (request.rules.length > 0) chain = this.extend(chain, 11, this.shareNumber(request.rules, rulesText));
    return chain;
  }

  /** Kind and amounts. */
  ofShape(kind: number, request: PlacementRequest): number {
    let chain = this.extend(kind, 13, this.amountNumber(request.cores));
    chain = this.extend(chain, 14, this.amountNumber(request.memoryMiB));
    for (const disk of request.disks) chain = this.extend(chain, 15, this.amountNumber(disk.sizeBytes));
    return chain;
  }

  private extend(chain: number, field: number, value: number): number {
    return intern(this.links, (chain * FIELDS + field) * VALUES + value, 1);
  }

  private textNumber(text: string): number {
    return intern(this.texts, text, 0);
  }

  private amountNumber(amount: number): number {
    return intern(this.amounts, amount, 0);
  }

  private shareNumber<Shared extends object>(shared: Shared, textOf: (shared: Shared) => string): number {
    const known = this.shared.get(shared);
    if (known !== undefined) return known;
    const number = this.textNumber(textOf(shared));
    this.shared.set(shared, number);
    return number;
  }
}

function isSameKind(left: PlacementRequest, right: PlacementRequest): boolean {
  return (
    left.pool === right.pool &&
    left.image === right.image &&
    left.template === right.template &&
    left.location === right.location &&
    left.pin === right.pin &&
    left.disks.length === right.disks.length &&
    left.disks.every((disk, index) => disk.storageClass === right.disks[index]?.storageClass) &&
    isSameList(left.networks, right.networks) &&
    isSameList(left.tags, right.tags) &&
    isSameList(left.residency, right.residency) &&
    (left.rules === right.rules || (left.rules.length === 0 && right.rules.length === 0))
  );
}

function isSameList(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) {
    if (left[index] !== right[index]) return false;
  }
  return true;
}

/** A text of what {@link Signatures} numbers: the same in every run, for hashes. */
export function kindText(request: PlacementRequest): string {
  const { pool, disks, networks, tags, residency, image, template, location, pin, rules, prior } = request;
  const classes = disks.map((disk) => disk.storageClass);
  const wants = [classes, networks, tags, residency, image, template, location, pin?.cluster, pin?.node, rulesText(rules), prior?.cluster];
  return JSON.stringify([pool === undefined ? null : poolText(pool), ...wants]);
}

/** The amounts as text, for hashes. */
export function shapeText(request: PlacementRequest): string {
  let text = `${request.cores} ${request.memoryMiB}`;
  for (const disk of request.disks) text += ` ${disk.sizeBytes}`;
  return text;
}

/** `first` is the number of the first value: links start at 1, because 0 is the empty chain. */
function intern<Key>(known: Map<Key, number>, key: Key, first: number): number {
  const found = known.get(key);
  if (found !== undefined) return found;
  const number = known.size + first;
  known.set(key, number);
  return number;
}

function poolText(pool: PoolPolicy): string {
  const { name, clusters, strategy, clusterWeights, rules, limits } = pool;
  return JSON.stringify([name, clusters, strategy, Object.entries(clusterWeights), rulesText(rules), limits]);
}

function rulesText(rules: readonly Rule[]): string {
  return JSON.stringify(rules.map(({ type, target, operator, value, weight, scope }) => [type, target, operator, value, weight, scope]));
}
