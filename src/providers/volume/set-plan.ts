/**
 * Where the volumes of a StatefulSet go, decided once for all of them. A pod needs its volumes in one zone, so those of a
 * replica are placed as one; new replicas go where the set has fewest, and among such zones where placement likes it best.
 */
import type { ResourcePool } from "../../config";
import { type Identity, identityTag } from "../../migration";
import {
  type Company,
  type Inventory,
  type Placement,
  type PlacementRequest,
  type PlacementResult,
  type Promised,
  placeOne,
} from "../../placement";
import type { DeclaredVolumeSet } from "../declaration-order";
import type { JointPlan } from "../deployment";
import { toDiskRequest } from "../disk/request";
import { diskSchema } from "../disk/spec";
import type { Session } from "../session";
import { findWhereabouts, priorOf } from "../whereabouts";
import { findWorkers } from "./workers";

/** One plan per run, whichever volume is checked first. */
export function planVolumeSet(
  session: Session,
  set: DeclaredVolumeSet,
  stack: string,
  pool: ResourcePool,
  before: Promised[],
): Promise<JointPlan> {
  const key = `${stack} volumes ${set.name}`;
  const known = session.deployments.get(key);
  if (known) return known;
  const plan = makePlan(session, set, stack, pool, before);
  session.deployments.set(key, plan);
  return plan;
}

async function makePlan(
  session: Session,
  set: DeclaredVolumeSet,
  stack: string,
  pool: ResourcePool,
  before: Promised[],
): Promise<JointPlan> {
  const replicas = await readReplicas(session, set, stack, pool);
  const planned = new SetPlan(await session.inventory(), before);
  // What is there comes first: a new replica must not take its place.
  for (const { name, placed } of replicas) if (placed.length > 0) planned.keep(name, placed);
  for (const { name, placed, fresh } of replicas) if (fresh.length > 0) planned.add(name, fresh, placed);
  return { promised: planned.promised, resultOf: (key) => planned.results.get(key) };
}

interface Replica {
  name: string;
  /** Volumes that are somewhere. */
  placed: PlacementRequest[];
  fresh: PlacementRequest[];
}

async function readReplicas(session: Session, set: DeclaredVolumeSet, stack: string, pool: ResourcePool): Promise<Replica[]> {
  const { name: federation } = await session.federation();
  const company: Company | undefined = set.workers && (await findWorkers(session, set.workers));
  const blind = await anySilent(session, pool);
  const replicas: Replica[] = [];
  for (const [ordinal, names] of set.replicas.entries()) {
    const requests: PlacementRequest[] = [];
    for (const [index, name] of names.entries()) {
      const identity: Identity = { federation, stack, kind: "disk", name };
      const parsed = diskSchema.safeParse({ name: name.replace(/^pv\//, ""), ...set.volumes[index] });
      // Its own check says what is wrong with it.
      if (parsed.success)
        requests.push(toDiskRequest(parsed.data, pool, identityTag(identity), priorOf(await findWhereabouts(session, identity)), company));
    }
    const placed = requests.filter(({ prior }) => prior !== undefined);
    // One that is not found may be on a cluster that does not answer: its own check, which knows the state, can tell.
    replicas.push({ name: `${set.name}-${ordinal}`, placed, fresh: blind ? [] : requests.filter(({ prior }) => prior === undefined) });
  }
  return replicas;
}

/** A cluster that is declared lost keeps nobody waiting: what was there fails over, the volumes of a replica together. */
async function anySilent(session: Session, pool: ResourcePool): Promise<boolean> {
  const { clusters } = await session.snapshot();
  return pool.clusters.some((id) => {
    const entry = clusters.get(id);
    return entry?.reachable === false && entry.cluster.status !== "lost";
  });
}

class SetPlan {
  readonly promised: Promised[] = [];
  /** By the volumes' keys; absent for one that stays. */
  readonly results = new Map<string, PlacementResult>();
  /** Replicas by zone. */
  private readonly counts = new Map<string, number>();
  private readonly placeOfReplica = new Map<string, Placement>();

  constructor(
    private readonly inventory: Inventory,
    private readonly before: readonly Promised[],
  ) {}

  /** Volumes that are somewhere stay there, or leave together if they are together. */
  keep(name: string, volumes: PlacementRequest[]): void {
    const places = new Set(volumes.map(({ prior }) => zoneOf(prior!)));
    const groups = places.size === 1 ? [volumes] : volumes.map((volume) => [volume]);
    for (const group of groups) {
      const result = placeOne(asOne(name, group), this.inventory, this.taken);
      this.take(name, group, result, result.explanation.outcome !== "kept");
    }
  }

  /** New volumes of a replica; beside those it has. */
  add(name: string, volumes: PlacementRequest[], placed: readonly PlacementRequest[]): void {
    const request = asOne(name, volumes);
    const beside = this.placeOfReplica.get(name);
    if (placed.length > 0 && !beside) return;
    // Whether a worker is there or not: the pod needs its volumes in one zone.
    const asked = beside ? { ...request, company: undefined, pin: { cluster: beside.cluster, node: beside.node } } : request;
    this.take(name, volumes, this.spread(asked), true);
  }

  private spread(request: PlacementRequest): PlacementResult {
    const best = placeOne(request, this.inventory, this.taken);
    if (!best.ok) return best;
    const { candidates } = best.explanation;
    // They come best first, so that the sort leaves the better of two zones with as many replicas in front.
    const fitting = candidates.filter(({ rejected, node }) => rejected === undefined && node !== undefined);
    const even = fitting.toSorted((a, b) => this.count(a.cluster, a.node!) - this.count(b.cluster, b.node!));
    const [chosen] = even;
    if (!chosen || (chosen.cluster === best.placement.cluster && chosen.node === best.placement.node)) return best;
    const there = placeOne({ ...request, pin: { cluster: chosen.cluster, node: chosen.node } }, this.inventory, this.taken);
    if (!there.ok) return best;
    const rejected = candidates.filter((candidate) => !fitting.includes(candidate));
    const { margin: _margin, ...explanation } = best.explanation;
    return { ...there, explanation: { ...explanation, candidates: [...even, ...rejected] } };
  }

  private take(name: string, volumes: PlacementRequest[], result: PlacementResult, isDecision: boolean): void {
    if (result.ok) {
      const zone = zoneOf(result.placement);
      if (!this.placeOfReplica.has(name)) this.counts.set(zone, (this.counts.get(zone) ?? 0) + 1);
      this.placeOfReplica.set(name, this.placeOfReplica.get(name) ?? result.placement);
    }
    for (const [index, request] of volumes.entries()) {
      const own = result.ok ? { ...result, placement: { ...result.placement, storages: [result.placement.storages[index]!] } } : result;
      if (own.ok) this.promised.push({ request, placement: own.placement });
      if (isDecision) this.results.set(request.key, own);
    }
  }

  private get taken(): Promised[] {
    return [...this.before, ...this.promised];
  }

  private count(cluster: string, node: string): number {
    return this.counts.get(`${cluster}/${node}`) ?? 0;
  }
}

function zoneOf({ cluster, node }: Placement): string {
  return `${cluster}/${node}`;
}

/** The volumes of a replica as one guest with several disks. They go together, so the set declares location and residency alike. */
function asOne(name: string, volumes: readonly PlacementRequest[]): PlacementRequest {
  const [first] = volumes as [PlacementRequest];
  return {
    ...first,
    name,
    disks: volumes.flatMap(({ disks }) => disks),
    moveBytes: volumes.reduce((sum, { moveBytes = 0 }) => sum + moveBytes, 0),
  };
}
