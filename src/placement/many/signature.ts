import type { PlacementRequest } from "../model";

/** Values per field that can be told apart; with the fields and links below all keys stay exact whole numbers. */
const VALUES = 2 ** 24;
const FIELDS = 16;

/**
 * Numbers that are equal exactly for requests which every filter and score treats alike but for their amounts. Built link
 * by link from interned values instead of as text, because a hundred thousand requests must not cost more than reading
 * them. Pools and rule lists are shared objects in practice, so each is written out once and then known by its number.
 */
export class Signatures {
  private readonly texts = new Map<string, number>();
  private readonly links = new Map<number, number>();
  private readonly shared = new Map<object, number>();
  /** The fields of the request before, and the numbers of its kind with and without its tags. */
  private readonly last = noFields();
  private lastUntagged = -1;
  private lastKind = -1;

  /** Everything but the amounts and the prior place. */
  ofKind(request: PlacementRequest): number {
    const { last } = this;
    // Requests tend to come in runs of one kind; comparing with the one before is the cheapest answer there is. Where each
    // guest has tags of its own, the rest is still the same.
    const isUntaggedKnown = this.lastUntagged >= 0 && isSameButTags(last, request);
    if (isUntaggedKnown && isSameList(last.tags, request.tags)) return this.lastKind;
    if (!isUntaggedKnown) {
      this.lastUntagged = this.untagged(request);
      remember(last, request);
    }
    last.tags = request.tags;
    this.lastKind = this.tagged(this.lastUntagged, request.tags);
    return this.lastKind;
  }

  /** The kind of a request that has to find a new place: where it leaves makes a difference. */
  ofNewcomer(request: PlacementRequest): number {
    const kind = this.ofKind(request);
    return request.prior === undefined ? kind : this.extend(kind, 12, this.textNumber(request.prior.cluster));
  }

  /** Equal for pools that say the same. */
  ofPool({ pool }: PlacementRequest): number {
    return pool === undefined ? -1 : this.shareNumber(pool);
  }

  private untagged(request: PlacementRequest): number {
    let chain = 0;
    if (request.pool !== undefined) chain = this.extend(chain, 1, this.shareNumber(request.pool));
    for (const disk of request.disks) chain = this.extend(chain, 2, this.textNumber(disk.storageClass));
    for (const network of request.networks) chain = this.extend(chain, 3, this.textNumber(network));
    for (const place of request.residency) chain = this.extend(chain, 5, this.textNumber(place));
    if (request.image !== undefined) chain = this.extend(chain, 6, this.textNumber(request.image));
    if (request.template !== undefined) chain = this.extend(chain, 7, this.textNumber(request.template));
    if (request.location !== undefined) chain = this.extend(chain, 8, this.textNumber(request.location));
    if (request.pin?.cluster !== undefined) chain = this.extend(chain, 9, this.textNumber(request.pin.cluster));
    if (request.pin?.node !== undefined) chain = this.extend(chain, 10, this.textNumber(request.pin.node));
    if (request.rules.length > 0) chain = this.extend(chain, 11, this.shareNumber(request.rules));
    if (request.company !== undefined) chain = this.extend(chain, 13, this.shareNumber(request.company));
    return chain;
  }

  private tagged(untagged: number, tags: readonly string[]): number {
    let chain = untagged;
    for (let index = 0; index < tags.length; index++) chain = this.extend(chain, 4, this.textNumber(tags[index]!));
    return chain;
  }

  private extend(chain: number, field: number, value: number): number {
    // Links start at 1, because 0 is the empty chain.
    return intern(this.links, (chain * FIELDS + field) * VALUES + value, 1);
  }

  private textNumber(text: string): number {
    return intern(this.texts, text, 0);
  }

  private shareNumber(shared: object): number {
    const known = this.shared.get(shared);
    if (known !== undefined) return known;
    const number = this.textNumber(JSON.stringify(shared));
    this.shared.set(shared, number);
    return number;
  }
}

/** What makes the kind of a request. */
type KindFields = Omit<PlacementRequest, "key" | "name" | "cores" | "memoryMiB" | "prior" | "moveBytes">;

function noFields(): KindFields {
  return {
    pool: undefined,
    disks: [],
    networks: [],
    tags: [],
    residency: [],
    image: undefined,
    template: undefined,
    location: undefined,
    pin: undefined,
    company: undefined,
    rules: [],
  };
}

/**
 * Copies all but the tags into the object there is: each read of a field of a request made with `{ ...request, prior }` is slow
 * in Node 20 (each has a hidden class of its own), and these are compared a hundred thousand times.
 */
function remember(last: KindFields, request: PlacementRequest): void {
  last.pool = request.pool;
  last.disks = request.disks;
  last.networks = request.networks;
  last.residency = request.residency;
  last.image = request.image;
  last.template = request.template;
  last.location = request.location;
  last.pin = request.pin;
  last.company = request.company;
  last.rules = request.rules;
}

function isSameButTags(left: KindFields, right: PlacementRequest): boolean {
  return (
    isSameData(left.pool, right.pool) &&
    left.image === right.image &&
    left.template === right.template &&
    left.location === right.location &&
    isSameData(left.pin, right.pin) &&
    isSameData(left.company, right.company) &&
    hasSameClasses(left.disks, right.disks) &&
    isSameList(left.networks, right.networks) &&
    isSameList(left.residency, right.residency) &&
    isSameRules(left.rules, right.rules)
  );
}

function isSameRules(left: PlacementRequest["rules"], right: PlacementRequest["rules"]): boolean {
  return left === right || (left.length === 0 ? right.length === 0 : isSameData(left, right));
}

function hasSameClasses(left: PlacementRequest["disks"], right: PlacementRequest["disks"]): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) {
    if (left[index]!.storageClass !== right[index]!.storageClass) return false;
  }
  return true;
}

/** False where there is nothing on the left to compare with. */
export function isSameList(left: readonly string[] | undefined, right: readonly string[]): boolean {
  if (left === right) return true;
  if (left === undefined || left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) {
    if (left[index] !== right[index]) return false;
  }
  return true;
}

/** Plain data with the same content, keys in the same order: requests read from a file share no objects. */
function isSameData(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  for (const key of keys) {
    if (!isSameData((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key])) return false;
  }
  return Array.isArray(left) === Array.isArray(right);
}

/** A text of what {@link Signatures} numbers, without pool and prior: the same in every run, for hashes. */
export function kindText(request: PlacementRequest): string {
  const { disks, networks, tags, residency, image, template, location, pin, company, rules } = request;
  const classes = disks.map((disk) => disk.storageClass);
  const fields = [classes, networks, tags, residency, image, template, location, pin?.cluster, pin?.node, rules];
  // Appended, so that what has none hashes as it always did.
  return JSON.stringify(company === undefined ? fields : [...fields, company]);
}

function intern<Key>(known: Map<Key, number>, key: Key, first: number): number {
  const found = known.get(key);
  if (found !== undefined) return found;
  const number = known.size + first;
  known.set(key, number);
  return number;
}
