import { placeMany } from "../many/place-many";
import type { ClusterFacts, GuestFacts, Inventory, NodeFacts, PlacementRequest, Promised } from "../model";
import { compareText } from "../order";
import { buildWorld } from "../world";

/** Whether the loss of one node can be absorbed by the rest of its cluster. */
export interface NodeFailover {
  cluster: string;
  node: string;
  /**
   * `absorbed`: a repacking was found, which is proof. `short`: not even the sum of what is free suffices, which is proof
   * of the contrary. `fragmented`: the sum would do, but rules, pins or the sizes of the parts leave some without a place; there may be a way that was not found.
   */
  verdict: "absorbed" | "short" | "fragmented";
  /** Guests for which no place was found. */
  homeless: string[];
  /** Guests with a disk on a storage that only this node has: lost with it, and in no verdict. */
  bound: string[];
}

/**
 * N+1 for every node of the reachable clusters. Guests of ours keep their rules and pins, those that restart and those that
 * stay; of others only size and tags are known. Disks on shared storage stay where they are and cost nothing.
 */
export function checkNodeFailover(requests: readonly PlacementRequest[], inventory: Inventory): NodeFailover[] {
  const byKey = new Map(requests.map((request) => [request.key, request]));
  return [...inventory.clusters]
    .filter(({ reachable, status }) => reachable && status !== "lost")
    .sort((left, right) => compareText(left.id, right.id))
    .flatMap((cluster) =>
      [...cluster.nodes].sort((left, right) => compareText(left.name, right.name)).map((node) => failoverOf(cluster, node, byKey)),
    );
}

function failoverOf(cluster: ClusterFacts, node: NodeFacts, byKey: ReadonlyMap<string, PlacementRequest>): NodeFailover {
  const local = new Set(cluster.storages.filter(({ shared }) => !shared).map(({ storage }) => storage));
  const isBound = (guest: GuestFacts) => (guest.disks ?? []).some((disk) => local.has(disk.storage));
  const movable = node.guests.filter((guest) => !isBound(guest));
  const rest = { ...cluster, status: "active" as const, nodes: cluster.nodes.filter((other) => other !== node) };
  const alone: Inventory = { clusters: [rest], links: [] };
  const wanted = movable.map((guest) => restartRequest(guest, cluster, byKey));
  // Who stays keeps others away by its own rules too, and these are known by its request only.
  const promised = rest.nodes.flatMap((other) => other.guests.flatMap((guest) => stayingAt(guest, other, cluster, byKey)));
  const plan = placeMany(wanted, alone, { promised });
  const homeless = plan.decisions.filter(({ outcome }) => outcome === "rejected").map(({ name }) => name);
  const verdict = homeless.length === 0 ? "absorbed" : hasSumFor(wanted, alone) ? "fragmented" : "short";
  return { cluster: cluster.id, node: node.name, verdict, homeless, bound: node.guests.filter(isBound).map(nameOf) };
}

/** A guest of ours that is not lost, with its rules, where it is; none for others. */
function stayingAt(guest: GuestFacts, node: NodeFacts, cluster: ClusterFacts, byKey: ReadonlyMap<string, PlacementRequest>): Promised[] {
  if (guest.key === undefined || !byKey.has(guest.key)) return [];
  const request = { ...restartRequest(guest, cluster, byKey), disks: [] };
  return [{ request, placement: { cluster: cluster.id, node: node.name, storages: [] } }];
}

/** The guest as something to be started on another node of its cluster. */
function restartRequest(guest: GuestFacts, cluster: ClusterFacts, byKey: ReadonlyMap<string, PlacementRequest>): PlacementRequest {
  const own = guest.key === undefined ? undefined : byKey.get(guest.key);
  const bare: PlacementRequest = {
    key: guest.key ?? `vm ${guest.vmid}`,
    name: nameOf(guest),
    cores: guest.cores,
    memoryMiB: guest.memoryMiB,
    disks: [],
    networks: [],
    tags: guest.tags,
    rules: [],
    residency: [],
  };
  if (own === undefined) return bare;
  // It is in its cluster and pool already: neither limits nor the way it was created matter, its company does.
  const pool = own.pool === undefined ? undefined : { ...own.pool, limits: {}, clusters: [cluster.id] };
  // Disks on shared storage take no room again, but their node has to see it.
  const disks = own.disks.filter(({ storageClass }) => Object.hasOwn(cluster.storageClasses, storageClass));
  return { ...bare, rules: own.rules, pool, networks: own.networks, pin: own.pin, disks: disks.map((disk) => ({ ...disk, sizeBytes: 0 })) };
}

/** Whether the loss of one cluster can be absorbed by the others. */
export interface ClusterFailover {
  cluster: string;
  /** As of {@link NodeFailover}. */
  verdict: NodeFailover["verdict"];
  /** Guests for which no place was found. */
  homeless: string[];
  /** Guests that are not among the requests: of these nobody knows where they may go, and they are in no verdict. */
  unmanaged: string[];
}

/**
 * What would become of our guests of each cluster that still has nodes if it were lost: restored from their backups to the
 * other clusters, under all their rules and the limits of their pools. Guests on their way count where they are.
 */
export function checkClusterFailover(requests: readonly PlacementRequest[], inventory: Inventory): ClusterFailover[] {
  const byKey = new Map(requests.map((request) => [request.key, request]));
  return [...inventory.clusters]
    .filter(({ status }) => status !== "lost")
    .sort((left, right) => compareText(left.id, right.id))
    .map((cluster) => clusterFailoverOf(cluster, inventory, byKey));
}

function clusterFailoverOf(cluster: ClusterFacts, inventory: Inventory, byKey: ReadonlyMap<string, PlacementRequest>): ClusterFailover {
  const guests = [...cluster.nodes].sort((left, right) => compareText(left.name, right.name)).flatMap((node) => node.guests);
  const ownOf = (guest: GuestFacts) => (guest.key === undefined ? undefined : byKey.get(guest.key));
  // What pools have to survive is kept free for exactly this.
  const rest: Inventory = { ...inventory, survive: [], clusters: inventory.clusters.filter((other) => other !== cluster) };
  const wanted = guests.flatMap((guest) => {
    const own = ownOf(guest);
    return own === undefined ? [] : [{ ...own, prior: undefined, image: undefined, template: undefined }];
  });
  const plan = placeMany(wanted, rest);
  const homeless = plan.decisions.filter(({ outcome }) => outcome === "rejected").map(({ name }) => name);
  const verdict = homeless.length === 0 ? "absorbed" : hasSumFor(wanted, rest) ? "fragmented" : "short";
  return { cluster: cluster.id, verdict, homeless, unmanaged: guests.filter((guest) => ownOf(guest) === undefined).map(nameOf) };
}

function hasSumFor(wanted: readonly PlacementRequest[], inventory: Inventory): boolean {
  const nodes = buildWorld(inventory, [])
    .clusters.flatMap((cluster) => cluster.nodes)
    .filter(({ facts }) => facts.online && facts.status === "active");
  const freeCpu = nodes.reduce((sum, node) => sum + Math.max(0, node.cpuCapacityMilli - node.cpuAllocatedMilli), 0);
  const freeMemory = nodes.reduce((sum, node) => sum + Math.max(0, node.memoryCapacityMiB - node.memoryAllocatedMiB), 0);
  const cpu = wanted.reduce((sum, { cores }) => sum + cores * 1000, 0);
  const memory = wanted.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0);
  return cpu <= freeCpu && memory <= freeMemory;
}

function nameOf(guest: GuestFacts): string {
  return guest.name ?? `vm ${guest.vmid}`;
}
