import type { ReassignmentProblem } from "./problem";

/** A balance cost with the places of its two resources within a row. */
export interface Balance {
  first: number;
  second: number;
  target: number;
  weight: number;
}

/**
 * The amounts of a problem as the inner loops read them: the resources of a row are reordered, transient ones first. They
 * are the scarcest, so most changes that do not fit are recognised at once, and no loop asks of which kind a resource is.
 */
export class Layout {
  readonly resources: number;
  /** The first so many places of a row hold transient resources. */
  readonly transients: number;
  readonly loadWeight: Float64Array;
  readonly requirement: Float64Array;
  readonly capacity: Float64Array;
  readonly safety: Float64Array;
  readonly balances: readonly Balance[];

  constructor(problem: ReassignmentProblem) {
    const { resources, transient } = problem;
    const order = Array.from({ length: resources }, (_, resource) => resource).sort((a, b) => transient[b]! - transient[a]! || a - b);
    const place = new Int32Array(resources);
    order.forEach((resource, position) => {
      place[resource] = position;
    });
    const reordered = (rows: Float64Array) => rows.map((_, index) => rows[index - (index % resources) + order[index % resources]!]!);
    this.resources = resources;
    this.transients = transient.reduce((sum, value) => sum + value, 0);
    this.loadWeight = reordered(problem.loadWeight);
    this.requirement = reordered(problem.requirement);
    this.capacity = reordered(problem.capacity);
    this.safety = reordered(problem.safety);
    this.balances = problem.balances.map(({ first, second, target, weight }) => ({
      first: place[first]!,
      second: place[second]!,
      target,
      weight,
    }));
  }
}
