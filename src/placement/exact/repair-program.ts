import { type Cost, costParts } from "../repair/cost";
import { type Assignment, type Item, NOWHERE, type Option, type RepairModel, SAME_CLUSTER } from "../repair/model";
import { conflictCliques } from "./cliques";
import { type Constraint, reduced, type Term } from "./linear-model";

/**
 * A repair as a program of 0/1 variables: `x3_1` is 1 when item 3 takes its option 1, `u3` when it stays although it may not,
 * `z2` when somebody comes to resource 2, which those who were there before overfill.
 */
export interface RepairProgram {
  variables: string[];
  constraints: Constraint[];
  /** What is minimized, one after the other: each as low as the ones before allow. */
  stages: Term[][];
}

export function repairProgram(model: RepairModel, mostDisplaced: number): RepairProgram {
  const program = new ProgramBuilder(model);
  program.everyItemHasOnePlace();
  program.resourcesSuffice();
  program.conflictsAreKeptApart();
  program.companyIsThere();
  program.fewAreDisplaced(mostDisplaced);
  return { variables: program.variables, constraints: program.constraints.map(reduced), stages: program.stages() };
}

/** The assignment a solution stands for. */
export function assignmentOf({ items }: RepairModel, values: Readonly<Record<string, number>>): Assignment {
  return items.map(({ options }, item) => {
    const chosen = options.findIndex((_, option) => (values[placeVariable(item, option)] ?? 0) > 0.5);
    return chosen < 0 ? NOWHERE : chosen;
  });
}

/** Forbids exactly that assignment. */
export function exclusionOf(model: RepairModel, assignment: Assignment): Constraint {
  const terms = assignment.map((option, item) => ({
    coefficient: 1,
    variable: option === NOWHERE ? noPlace(item) : placeVariable(item, option),
  }));
  return { terms, relation: "<=", bound: model.items.length - 1 };
}

const placeVariable = (item: number, option: number) => `x${item}_${option}`;
const noPlace = (item: number) => `u${item}`;

class ProgramBuilder {
  readonly variables: string[] = [];
  readonly constraints: Constraint[] = [];

  constructor(private readonly model: RepairModel) {}

  everyItemHasOnePlace(): void {
    this.model.items.forEach((item, index) => {
      const terms = item.options.map((_, option) => one(placeVariable(index, option)));
      if (item.isTroubled) terms.push(one(noPlace(index)));
      this.variables.push(...terms.map(({ variable }) => variable));
      this.constraints.push({ terms, relation: "=", bound: 1 });
    });
  }

  resourcesSuffice(): void {
    const { items, resources } = this.model;
    resources.forEach(({ capacity, taken, hasNewcomer }, resource) => {
      const terms: Term[] = [];
      const newcomers: string[] = [];
      let before = taken;
      const add = (variable: string, uses: Item["unplaced"]): number => {
        const here = uses.filter((use) => use.resource === resource);
        const amount = here.reduce((sum, use) => sum + use.amount, 0);
        if (amount > 0) terms.push({ coefficient: amount, variable });
        if (here.some(({ asks }) => asks)) newcomers.push(variable);
        return amount;
      };
      items.forEach((item, index) => {
        const amounts = item.options.map((option, position) => add(placeVariable(index, position), option.uses));
        const held = item.isTroubled ? add(noPlace(index), item.unplaced) : 0;
        before += Math.max(held, item.options[0]?.stays ? amounts[0]! : 0);
      });
      const free = capacity - taken;
      if (hasNewcomer || before <= capacity) this.constraints.push({ terms, relation: "<=", bound: free });
      else this.openOnlyForAll(resource, terms, newcomers, free);
    });
  }

  /** Overfull as it is: the capacity counts only once somebody comes. */
  private openOnlyForAll(resource: number, terms: Term[], newcomers: string[], free: number): void {
    if (newcomers.length === 0) return;
    const opened = `z${resource}`;
    this.variables.push(opened);
    const most = terms.reduce((sum, { coefficient }) => sum + coefficient, 0);
    const slack = Math.max(0, most - free);
    this.constraints.push({ terms: [...terms, { coefficient: slack, variable: opened }], relation: "<=", bound: free + slack });
    for (const variable of newcomers) this.constraints.push({ terms: [one(variable), minus(opened)], relation: "<=", bound: 0 });
  }

  conflictsAreKeptApart(): void {
    const { nodes } = this.model;
    const clusters = [...new Set(nodes.map(({ cluster }) => cluster))];
    const clusterOf = nodes.map(({ cluster }) => clusters.indexOf(cluster));
    for (const { members, scope } of conflictCliques(this.model)) {
      const groupOf = (node: number) => (scope === SAME_CLUSTER ? clusterOf[node]! : node);
      const groups = new Map<number, { settled: Term[]; arriving: Term[]; staying: Term[] }>();
      const group = (node: number) => {
        const known = groups.get(groupOf(node)) ?? { settled: [], arriving: [], staying: [] };
        groups.set(groupOf(node), known);
        return known;
      };
      for (const item of members) {
        const { options, isTroubled, home } = this.model.items[item]!;
        options.forEach(({ node, stays }, option) => {
          const term = one(placeVariable(item, option));
          group(node).settled.push(term);
          if (!stays) group(node).arriving.push(term);
        });
        if (isTroubled && home >= 0) group(home).staying.push(one(noPlace(item)));
      }
      for (const { settled, arriving, staying } of groups.values()) {
        if (settled.length > 1) this.constraints.push({ terms: settled, relation: "<=", bound: 1 });
        // Who stays against a rule may be with others who were there, not with newcomers.
        for (const anyway of staying)
          if (arriving.length > 0) this.constraints.push({ terms: [...arriving, anyway], relation: "<=", bound: 1 });
      }
    }
  }

  companyIsThere(): void {
    const { items, nodes, company } = this.model;
    for (const { item, scope, carriers, satisfiedNodes } of company) {
      items[item]!.options.forEach(({ node }, option) => {
        if (satisfiedNodes.has(node)) return;
        const isNear = (other: number) => other === node || (scope === "cluster" && nodes[other]?.cluster === nodes[node]!.cluster);
        const near = carriers.flatMap((carrier) => {
          const { options, isTroubled, home } = items[carrier]!;
          const terms = options.flatMap((other, position) => (isNear(other.node) ? [minus(placeVariable(carrier, position))] : []));
          return isTroubled && home >= 0 && isNear(home) ? [...terms, minus(noPlace(carrier))] : terms;
        });
        this.constraints.push({ terms: [one(placeVariable(item, option)), ...near], relation: "<=", bound: 0 });
      });
    }
  }

  fewAreDisplaced(most: number): void {
    const terms = this.model.items.flatMap(({ isTroubled, options }, item) =>
      isTroubled ? [] : options.flatMap(({ stays }, option) => (stays ? [] : [one(placeVariable(item, option))])),
    );
    if (terms.length > most) this.constraints.push({ terms, relation: "<=", bound: most });
  }

  stages(): Term[][] {
    const { items } = this.model;
    const unplaced = items.flatMap(({ isTroubled }, item) => (isTroubled ? [one(noPlace(item))] : []));
    const stage = (part: (cost: Cost) => number) => {
      const terms = items.flatMap(({ options }, item) =>
        options.map((option: Option, position) => ({ coefficient: part(option.cost), variable: placeVariable(item, position) })),
      );
      return reduced({ terms: terms.filter(({ coefficient }) => coefficient > 0), relation: "<=", bound: 0 }).terms.slice();
    };
    const parts = ["linkBytes", "linkMoves", "localMiB", "localMoves"] as const;
    return [unplaced, ...parts.map((name) => stage((cost) => costParts(cost)[name]))].filter((terms) => terms.length > 0);
  }
}

function one(variable: string): Term {
  return { coefficient: 1, variable };
}

function minus(variable: string): Term {
  return { coefficient: -1, variable };
}
