import type { GuestFacts, Inventory, PlacementRequest, PoolPolicy, SurvivalDemand } from "../model";
import type { NodeState } from "../world";
import { classOf, guestName } from "./refugee";

/**
 * Live guests as requests: as somebody asks for them in this run, where somebody does; else what the inventory says, which is
 * their pool with its rules, their tags and the storages of their disks.
 */
export class LiveRequests {
  private readonly asked: ReadonlyMap<string, PlacementRequest>;
  private readonly policies = new Map<string, PoolPolicy>();

  constructor({ poolRules = {} }: Inventory, demands: readonly SurvivalDemand[], asked: readonly PlacementRequest[]) {
    this.asked = new Map(asked.map((request) => [request.key, request]));
    const names = new Set([...Object.keys(poolRules), ...demands.map(({ pool }) => pool)]);
    for (const name of names) {
      const rules = Object.hasOwn(poolRules, name) ? (poolRules[name] ?? []) : [];
      const clusters = demands.find(({ pool }) => pool === name)?.clusters ?? [];
      this.policies.set(name, { name, clusters, strategy: "balanced", clusterWeights: {}, rules, limits: {} });
    }
  }

  /** The guest as somebody asks for it, if anybody does for one that is on this node. */
  askedFor({ key }: GuestFacts, node: NodeState): PlacementRequest | undefined {
    const request = key === undefined ? undefined : this.asked.get(key);
    return request?.prior?.cluster === node.cluster.facts.id && request.prior.node === node.facts.name ? request : undefined;
  }

  /** `undefined` for a guest of which no demands are known. */
  of(guest: GuestFacts, node: NodeState): PlacementRequest | undefined {
    const asked = this.askedFor(guest, node);
    // Until it is decided the guest counts with the tags and in the pool it has.
    if (asked !== undefined) return { ...asked, tags: guest.tags };
    const pool = this.policies.get(guest.pool ?? "");
    return pool === undefined ? undefined : knownOf(guest, node, pool);
  }
}

function knownOf(guest: GuestFacts, node: NodeState, pool: PoolPolicy): PlacementRequest {
  const disks = (guest.disks ?? []).map(({ storage, sizeBytes }) => ({ name: storage, storageClass: classOf(node, storage), sizeBytes }));
  return {
    key: guest.key ?? "",
    name: guestName(guest),
    cores: guest.cores,
    memoryMiB: guest.memoryMiB,
    disks,
    networks: [],
    pool,
    tags: guest.tags,
    rules: [],
    residency: [],
  };
}
