import { listWords } from "../amounts";
import type { Inventory, PlacementRequest, Promised } from "../model";
import { placeInWorld } from "../place-one";
import { describeRule } from "../rules";
import { buildWorld } from "../world";

/** Demands of a request that cannot all hold together; each of them is needed for the conflict. */
export interface Conflict {
  demands: string[];
  /** In words, with what to do. */
  message: string;
}

interface Demand {
  text: string;
  without(request: PlacementRequest): PlacementRequest;
  /** What pools have to survive: a demand of the inventory, not of the request. */
  isSurvival?: boolean;
}

/**
 * Of a request that fits nowhere, a smallest set of its demands that keeps it from fitting: the request with these demands
 * alone fits nowhere, and fits when any one of them is dropped. `undefined` when the request fits; an empty set when it
 * would not fit even without any demand (no cluster takes anything).
 */
export function findConflict(request: PlacementRequest, inventory: Inventory, promised: readonly Promised[]): Conflict | undefined {
  const world = buildWorld(inventory, promised, request.key);
  const carefree = once(() => buildWorld({ ...inventory, survive: [] }, promised, request.key));
  const fits = (demands: readonly Demand[], all: readonly Demand[]) => {
    const dropped = all.filter((demand) => !demands.includes(demand));
    const asked = dropped.reduce<PlacementRequest>((current, demand) => demand.without(current), { ...request, prior: undefined });
    return placeInWorld(asked, dropped.some(({ isSurvival }) => isSurvival) ? carefree() : world).ok;
  };
  const stated = demandsOf(request, inventory);
  // Rules of other guests keep it away by its tags: those are a demand where nothing else explains the refusal.
  const all = request.tags.length === 0 || fits([], stated) ? stated : [...stated, tagsDemand(request)];
  if (fits(all, all)) return undefined;
  let needed = all;
  for (const demand of all) {
    const rest = needed.filter((other) => other !== demand);
    if (!fits(rest, all)) needed = rest;
  }
  const demands = needed.map(({ text }) => text);
  const message =
    demands.length === 0
      ? `No cluster takes anything at present, whatever ${request.name} asks for.`
      : `${request.name} fits nowhere because of ${listWords(demands, 12)}. Dropping ${demands.length === 1 ? "it" : "any one of these"} would resolve this conflict.`;
  return { demands, message };
}

function tagsDemand({ tags }: PlacementRequest): Demand {
  return { text: `its tags ${listWords(tags)}`, without: (asked) => ({ ...asked, tags: [] }) };
}

/** In the order in which they are tried for being dispensable: what people would give up last comes last. */
function demandsOf(request: PlacementRequest, inventory: Inventory): Demand[] {
  const { pool } = request;
  const everyCluster = inventory.clusters.map(({ id }) => id);
  const demands: Demand[] = [];
  for (const { pool: name, losses } of (inventory.survive ?? []).slice(0, 1)) {
    const others = (inventory.survive?.length ?? 0) > 1 ? " and other pools" : "";
    const text = `what pool ${name}${others} must survive (the loss of any ${listWords(losses)})`;
    demands.push({ text, without: (asked) => asked, isSurvival: true });
  }
  const add = (text: string, without: Demand["without"]) => demands.push({ text, without });
  request.rules.forEach((rule) => {
    if (isHard(rule.operator))
      add(`the guest's rule "${describeRule(rule)}"`, (asked) => ({ ...asked, rules: asked.rules.filter((other) => other !== rule) }));
  });
  pool?.rules.forEach((rule) => {
    if (!isHard(rule.operator)) return;
    add(`the rule "${describeRule(rule)}" of pool ${pool.name}`, (asked) =>
      asked.pool === undefined ? asked : { ...asked, pool: { ...asked.pool, rules: asked.pool.rules.filter((other) => other !== rule) } },
    );
  });
  if (request.residency.length > 0) add(`the residency in ${listWords(request.residency)}`, (asked) => ({ ...asked, residency: [] }));
  if (request.pin?.node !== undefined)
    add(`the pin to node ${request.pin.node}`, (asked) => ({ ...asked, pin: { ...asked.pin, node: undefined } }));
  if (request.pin?.cluster !== undefined) {
    add(`the pin to cluster ${request.pin.cluster}`, (asked) => ({ ...asked, pin: { ...asked.pin, cluster: undefined } }));
  }
  for (const network of new Set(request.networks)) {
    add(`network ${network}`, (asked) => ({ ...asked, networks: asked.networks.filter((other) => other !== network) }));
  }
  if (request.image !== undefined) add(`image ${request.image}`, (asked) => ({ ...asked, image: undefined }));
  if (request.template !== undefined) add(`template ${request.template}`, (asked) => ({ ...asked, template: undefined }));
  if (pool !== undefined) {
    if (Object.values(pool.limits).some((limit) => limit !== undefined)) {
      add(`the limits of pool ${pool.name}`, (asked) => ({ ...asked, pool: asked.pool && { ...asked.pool, limits: {} } }));
    }
    add(`the clusters of pool ${pool.name}`, (asked) => ({ ...asked, pool: asked.pool && { ...asked.pool, clusters: everyCluster } }));
  }
  if (request.disks.length > 0) add("its disks", (asked) => ({ ...asked, disks: [] }));
  if (request.cores > 0) add(`${request.cores} cores`, (asked) => ({ ...asked, cores: 0 }));
  if (request.memoryMiB > 0) add(`${request.memoryMiB} MiB memory`, (asked) => ({ ...asked, memoryMiB: 0 }));
  return demands;
}

function once<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function isHard(operator: string): boolean {
  return operator === "must" || operator === "must_not";
}
