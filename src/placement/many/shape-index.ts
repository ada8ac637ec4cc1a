import type { PlacementRequest } from "../model";
import { mixHashes } from "../order";

const EMPTY = -1;

/**
 * Numbers the shapes of requests: two have one number exactly when they are of one kind and ask for the same amounts. An
 * open hash table over numbers, because every guest may have a shape of its own. Given numbers of candidates instead of
 * kinds, it numbers sizes.
 */
export class ShapeIndex {
  /** One request of each shape, by number. */
  readonly examples: PlacementRequest[] = [];
  /** Its kind, see `Kinds.numberOf`. */
  readonly kinds: number[] = [];
  private readonly hashes: number[] = [];
  private slots = new Int32Array(1024).fill(EMPTY);

  numberOf(request: PlacementRequest, kind: number): number {
    const hash = mixHashes(kind, amountsHash(request));
    let slot = hash & (this.slots.length - 1);
    for (;;) {
      const shape = this.slots[slot]!;
      if (shape === EMPTY) break;
      if (this.hashes[shape] === hash && this.kinds[shape] === kind && hasSameAmounts(this.examples[shape]!, request)) return shape;
      slot = (slot + 1) & (this.slots.length - 1);
    }
    const shape = this.examples.length;
    this.slots[slot] = shape;
    this.examples.push(request);
    this.kinds.push(kind);
    this.hashes.push(hash);
    if (this.examples.length * 2 > this.slots.length) this.grow();
    return shape;
  }

  private grow(): void {
    this.slots = new Int32Array(this.slots.length * 4).fill(EMPTY);
    const mask = this.slots.length - 1;
    this.hashes.forEach((hash, shape) => {
      let slot = hash & mask;
      while (this.slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      this.slots[slot] = shape;
    });
  }
}

/** Of the amounts as they are written, the same in every run. */
function amountsHash({ cores, memoryMiB, disks }: PlacementRequest): number {
  let hash = mixHashes(numberHash(cores), numberHash(memoryMiB));
  for (let index = 0; index < disks.length; index++) hash = mixHashes(hash, numberHash(disks[index]!.sizeBytes));
  return hash;
}

function hasSameAmounts(left: PlacementRequest, right: PlacementRequest): boolean {
  if (!Object.is(left.cores, right.cores) || !Object.is(left.memoryMiB, right.memoryMiB)) return false;
  for (let index = 0; index < left.disks.length; index++) {
    if (!Object.is(left.disks[index]!.sizeBytes, right.disks[index]!.sizeBytes)) return false;
  }
  return left.disks.length === right.disks.length;
}

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

function numberHash(value: number): number {
  double[0] = value;
  // Which half is which depends on the machine; their sum does not.
  return (halves[0]! + halves[1]!) | 0;
}
