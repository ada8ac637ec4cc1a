/** Max-min fairness: nobody's rate can grow without taking from somebody who has less. */

export interface Demand {
  through: readonly string[];
  /** Its own limit, bytes per second; Infinity for none. */
  limit: number;
}

/** One rate per demand, in order. What a limited one leaves of a resource goes to the others. */
export function fairShares(demands: readonly Demand[], capacity: (resource: string) => number): number[] {
  const rates = demands.map(() => 0);
  const left = new Map<string, { capacity: number; users: number }>();
  for (const { through } of demands) {
    for (const resource of through) {
      const entry = left.get(resource) ?? { capacity: capacity(resource), users: 0 };
      entry.users += 1;
      left.set(resource, entry);
    }
  }
  let open = demands.map((_, index) => index);
  while (open.length > 0) {
    const bounds = open.map((index) => {
      const { through, limit } = demands[index]!;
      return Math.min(limit, ...through.map((resource) => left.get(resource)!.capacity / left.get(resource)!.users));
    });
    const smallest = Math.min(...bounds);
    const settled = open.filter((_, position) => bounds[position] === smallest);
    for (const index of settled) {
      rates[index] = smallest;
      for (const resource of demands[index]!.through) {
        const entry = left.get(resource)!;
        entry.users -= 1;
        if (smallest !== Number.POSITIVE_INFINITY) entry.capacity = Math.max(0, entry.capacity - smallest);
      }
    }
    open = open.filter((index) => !settled.includes(index));
  }
  return rates;
}
