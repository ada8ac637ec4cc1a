import fc from "fast-check";
import type { ReassignmentProblem } from "../../../src/placement/reassignment/problem";

/** Two machines in two places, three processes of two services; the second resource is transient. */
export function small(extra: Partial<ReassignmentProblem> = {}): ReassignmentProblem {
  return {
    resources: 2,
    transient: Uint8Array.of(0, 1),
    loadWeight: Float64Array.of(10, 1),
    machines: 2,
    neighbourhood: Int32Array.of(0, 1),
    location: Int32Array.of(0, 1),
    capacity: Float64Array.of(10, 10, 10, 10),
    safety: Float64Array.of(4, 10, 4, 10),
    machineMoveCost: Int32Array.of(0, 3, 5, 0),
    services: 2,
    spreadMin: Int32Array.of(0, 0),
    dependencies: [[], []],
    processes: 3,
    service: Int32Array.of(0, 0, 1),
    requirement: Float64Array.of(4, 4, 2, 2, 3, 3),
    processMoveCost: Float64Array.of(7, 8, 9),
    balances: [],
    weights: { processMove: 1, serviceMove: 2, machineMove: 10 },
    initial: Int32Array.of(0, 1, 0),
    ...extra,
  };
}

/** Random problems whose initial assignment obeys every rule by construction: capacities and demands follow from it. */
export const arbitraryProblem = fc
  .record({
    machines: fc.integer({ min: 2, max: 6 }),
    resources: fc.integer({ min: 1, max: 3 }),
    seed: fc.integer({ min: 1, max: 1e9 }),
    processes: fc.integer({ min: 1, max: 24 }),
    slack: fc.integer({ min: 1, max: 30 }),
  })
  .map(({ machines, resources, seed, processes, slack }) => {
    let state = seed;
    const below = (end: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return Math.floor((state / 4294967296) * end);
    };
    const initial = Int32Array.from({ length: processes }, () => below(machines));
    // A new service whenever the one at hand has a process on that machine already.
    const services: Set<number>[] = [];
    const service = Int32Array.from(initial, (machine) => {
      const own = services.findIndex((taken) => !taken.has(machine) && below(3) > 0);
      const index = own < 0 ? services.push(new Set()) - 1 : own;
      services[index]?.add(machine);
      return index;
    });
    const requirement = Float64Array.from({ length: processes * resources }, () => below(20));
    const capacity = new Float64Array(machines * resources).map(() => below(slack));
    initial.forEach((machine, process) => {
      for (let resource = 0; resource < resources; resource++) {
        capacity[machine * resources + resource] =
          (capacity[machine * resources + resource] ?? 0) + (requirement[process * resources + resource] ?? 0);
      }
    });
    const neighbourhood = Int32Array.from({ length: machines }, () => below(2));
    const location = Int32Array.from({ length: machines }, () => below(3));
    const regions = services.map((hosts) => new Set([...hosts].map((machine) => neighbourhood[machine])));
    const dependencies = services.map((_, own) =>
      services.flatMap((__, other) =>
        other !== own && below(4) === 0 && [...(regions[own] ?? [])].every((region) => regions[other]?.has(region)) ? [other] : [],
      ),
    );
    return {
      resources,
      transient: Uint8Array.from({ length: resources }, () => below(2)),
      loadWeight: Float64Array.from({ length: resources }, () => below(10)),
      machines,
      neighbourhood,
      location,
      capacity,
      safety: capacity.map((amount) => Math.floor(amount / 2)),
      machineMoveCost: Int32Array.from({ length: machines * machines }, (_, index) => (index % (machines + 1) === 0 ? 0 : below(5))),
      services: services.length,
      spreadMin: Int32Array.from(services, (hosts) => below(1 + new Set([...hosts].map((machine) => location[machine])).size)),
      dependencies,
      processes,
      service,
      requirement,
      processMoveCost: Float64Array.from({ length: processes }, () => below(10)),
      balances: resources > 1 ? [{ first: 0, second: 1, target: 2, weight: below(5) }] : [],
      weights: { processMove: 1, serviceMove: 10, machineMove: 3 },
      initial,
    } satisfies ReassignmentProblem;
  });
