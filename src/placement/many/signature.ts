import type { PlacementRequest, PoolPolicy, Rule } from "../model";

/**
 * Texts that are equal exactly for requests that every filter and score treats alike. Pools and rule lists are shared
 * objects in practice, so each is written out once and then known by its number.
 */
export class Signatures {
  private readonly pools = new Map<PoolPolicy, number>();
  private readonly poolNumbers = new Map<string, number>();

  /** Everything but the amounts. */
  ofKind(request: PlacementRequest): string {
    const pool = request.pool === undefined ? "" : this.poolNumber(request.pool);
    // Nearly every request leaves most of these empty; the short form keeps a hundred thousand of them cheap.
    const classes =
      request.disks.length === 1 ? request.disks[0]?.storageClass : JSON.stringify(request.disks.map((disk) => disk.storageClass));
    const wants = [
      list(request.networks),
      list(request.tags),
      list(request.residency),
      request.image ?? "",
      request.template ?? "",
      request.location ?? "",
      request.pin?.cluster ?? "",
      request.pin?.node ?? "",
      request.rules.length === 0 ? "" : rulesText(request.rules),
      request.prior?.cluster ?? "",
    ];
    return `${pool}\u0001${classes}\u0001${wants.join("\u0001")}`;
  }

  /** The amounts. */
  ofShape(request: PlacementRequest): string {
    let text = `${request.cores}\u0001${request.memoryMiB}`;
    for (const disk of request.disks) text += `\u0001${disk.sizeBytes}`;
    return text;
  }

  private poolNumber(pool: PoolPolicy): number {
    const known = this.pools.get(pool);
    if (known !== undefined) return known;
    const text = JSON.stringify([
      pool.name,
      pool.clusters,
      pool.strategy,
      Object.entries(pool.clusterWeights),
      rulesText(pool.rules),
      pool.limits,
    ]);
    const number = this.poolNumbers.get(text) ?? this.poolNumbers.size;
    this.poolNumbers.set(text, number);
    this.pools.set(pool, number);
    return number;
  }
}

function list(items: readonly string[]): string {
  if (items.length === 0) return "";
  return items.length === 1 ? `${items[0]}` : JSON.stringify(items);
}

function rulesText(rules: readonly Rule[]): string {
  return JSON.stringify(rules.map(({ type, target, operator, value, weight, scope }) => [type, target, operator, value, weight, scope]));
}
