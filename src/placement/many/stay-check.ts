import { askFor } from "../ask";
import { CLUSTER_FILTERS, NODE_FILTERS } from "../filters";
import type { PlacementRequest } from "../model";
import { wholeNonNegative } from "../numbers";
import { type RuleSets, ruleSets } from "../rules";
import { countTag } from "../tag-counts";
import { cpuMilli, guard, type Held, type NodeState, occupantOfRequest, type World } from "../world";

/**
 * The quick look at a guest that has a place: whether it surely stays exactly as it is. Most guests of most runs do, and
 * finding that out must not cost more than reading them. Whoever is not sure gets the full decision.
 */
export class StayCheck {
  /** By kind number: answers of the filters that do not change during a run, per kind and node. */
  private readonly fixed = new Map<number, Map<NodeState, boolean>>();
  private readonly rules = new Map<number, RuleSets>();

  constructor(private readonly world: World) {}

  surelyStays(request: PlacementRequest, kind: number): boolean {
    const { prior } = request;
    if (prior === undefined) return false;
    const cluster = this.world.clusterById.get(prior.cluster);
    if (cluster === undefined) return false;
    if (!cluster.facts.reachable) return cluster.facts.status !== "lost";
    const node = cluster.nodeByName.get(prior.node);
    const live = this.world.liveByKey.get(request.key);
    const held = live?.[0];
    if (node === undefined || held === undefined || live?.length !== 1) return false;
    if (held.cluster !== prior.cluster || held.node !== prior.node) return false;
    if (!isUnchanged(request, held) || !this.passesFixedFilters(request, kind, node) || !keepsStorages(request, held, node)) return false;
    return this.keepsCompany(request, kind, node);
  }

  private passesFixedFilters(request: PlacementRequest, kind: number, node: NodeState): boolean {
    let answers = this.fixed.get(kind);
    if (answers === undefined) {
      answers = new Map();
      this.fixed.set(kind, answers);
    }
    const known = answers.get(node);
    if (known !== undefined) return known;
    const ask = askFor(request, this.world);
    const passes =
      CLUSTER_FILTERS.every((filter) => filter.dynamic || filter.check(ask, node.cluster).length === 0) &&
      NODE_FILTERS.every((filter) => filter.dynamic || filter.check(ask, node).length === 0);
    answers.set(node, passes);
    return passes;
  }

  private rulesOf(request: PlacementRequest, kind: number): RuleSets {
    const known = this.rules.get(kind);
    if (known !== undefined) return known;
    const sets = ruleSets(request, this.world.placeTags);
    this.rules.set(kind, sets);
    return sets;
  }

  /** Rules between guests, counting the guest itself out. */
  private keepsCompany(request: PlacementRequest, kind: number, node: NodeState): boolean {
    const { apart, together } = this.rulesOf(request, kind);
    if (together.length > 0) return false;
    if (apart.length === 0) return true;
    const occupant = occupantOfRequest(request);
    for (const { rule } of apart) {
      const tag = rule.value.toLowerCase();
      const own = occupant.tags.includes(tag) ? 1 : 0;
      if (countTag(rule.scope === "cluster" ? node.cluster : node, tag) > own) return false;
    }
    guard(node, occupant, apart);
    return true;
  }
}

/** Same amounts, tags and pool as the live guest, so that the world needs no change. */
function isUnchanged(request: PlacementRequest, held: Held): boolean {
  if (cpuMilli(request.cores) !== held.cpuMilli || wholeNonNegative(request.memoryMiB) !== held.memoryMiB) return false;
  if (request.pool?.name !== held.pool || !(request.cores >= 0 && request.memoryMiB >= 0)) return false;
  return request.tags.length === held.tags.length && request.tags.every((tag) => held.tags.includes(tag.toLowerCase()));
}

/** Every disk stays on the storage its class means, and none is known to grow. */
function keepsStorages(request: PlacementRequest, held: Held, node: NodeState): boolean {
  const { storageClasses } = node.cluster.facts;
  const ids = request.prior?.storages ?? [];
  if (ids.length !== request.disks.length) return false;
  for (let index = 0; index < ids.length; index++) {
    const disk = request.disks[index]!;
    const id = ids[index]!;
    if (storageClasses[disk.storageClass] !== id || !node.storages.has(id) || !(disk.sizeBytes >= 0)) return false;
  }
  if (held.disks === undefined) return true;
  for (const id of ids) {
    let asked = 0;
    let has = 0;
    for (let index = 0; index < ids.length; index++) asked += ids[index] === id ? wholeNonNegative(request.disks[index]!.sizeBytes) : 0;
    for (const disk of held.disks) has += disk.storage === id ? wholeNonNegative(disk.sizeBytes) : 0;
    if (asked > has) return false;
  }
  return true;
}
