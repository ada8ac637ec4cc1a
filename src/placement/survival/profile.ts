import { type Ask, askOfKind } from "../ask";
import { FIXED_CLUSTER_FILTERS, FIXED_NODE_FILTERS } from "../filters/fixed";
import { kindText } from "../many/signature";
import type { Loss, PlacementRequest, Shortfall } from "../model";
import { lowerCase } from "../node-state";
import { type RuleSets, ruleSets } from "../rules";
import type { NodeState, World } from "../world";

/** What the program or pool of a guest demands of its place, without amounts: many guests share one. */
export class Profile {
  /** Lower-case. */
  readonly tags: readonly string[];
  readonly rules: RuleSets;
  /** Its prior place is the cluster alone. */
  readonly ask: Ask;
  /** By kind of loss and number of the node: 0 not asked yet, 1 open, 2 not. */
  private readonly answers: Record<Loss, Uint8Array>;

  constructor(request: PlacementRequest, world: World) {
    this.tags = lowerCase(request.tags);
    this.rules = ruleSets(request, world);
    this.ask = askOfKind(request, world, this.rules);
    const nodes = world.clusters.reduce((sum, cluster) => sum + cluster.nodes.length, 0);
    this.answers = { node: new Uint8Array(nodes), cluster: new Uint8Array(nodes) };
  }

  /** True where the place of a guest depends on more than who keeps whom away. */
  get needsCompany(): boolean {
    return this.rules.together.length > 0 || this.rules.spread.length > 0;
  }

  /** Whether everything that other guests do not change lets it go to the node after such a loss. */
  isOpen(node: NodeState, loss: Loss): boolean {
    const answers = this.answers[loss];
    answers[node.index] ||= this.obstacle(node, loss) === undefined ? 1 : 2;
    return answers[node.index] === 1;
  }

  /** The first of the fixed filters that does not. */
  obstacle(node: NodeState, loss: Loss): Shortfall | undefined {
    // Only after the loss of a node is its cluster still home.
    const ask = loss === "node" ? this.ask : { ...this.ask, prior: undefined };
    for (const filter of FIXED_CLUSTER_FILTERS) {
      const [first] = filter.check(ask, node.cluster);
      if (first !== undefined) return first;
    }
    for (const filter of FIXED_NODE_FILTERS) {
      const [first] = filter.check(ask, node);
      if (first !== undefined) return first;
    }
    return undefined;
  }
}

/** One profile for all guests that demand the same. */
export class Profiles {
  private readonly byText = new Map<string, Profile>();
  private readonly byRequest = new WeakMap<PlacementRequest, Map<string, Profile>>();
  private readonly poolNumbers = new Map<PlacementRequest["pool"], number>();

  constructor(private readonly world: World) {}

  /**
   * @param cluster where the guest is before a loss
   * @param storages of its disks there, where known
   */
  of(request: PlacementRequest, cluster: string, storages: readonly string[]): Profile {
    const byCluster = this.byRequest.get(request) ?? new Map<string, Profile>();
    this.byRequest.set(request, byCluster);
    const known = byCluster.get(cluster);
    if (known !== undefined) return known;
    const bare = bareRequest(request, cluster, storages);
    const text = `${this.poolNumber(request.pool)} ${cluster} ${JSON.stringify(storages)} ${kindText(bare)}`;
    const profile = this.byText.get(text) ?? new Profile(bare, this.world);
    this.byText.set(text, profile);
    byCluster.set(cluster, profile);
    return profile;
  }

  private poolNumber(pool: PlacementRequest["pool"]): number {
    const number = this.poolNumbers.get(pool) ?? this.poolNumbers.size;
    this.poolNumbers.set(pool, number);
    return number;
  }
}

/** Restarted or restored from a backup: it needs no image, and what it takes is counted elsewhere. */
function bareRequest(request: PlacementRequest, cluster: string, storages: readonly string[]): PlacementRequest {
  const { key, name, disks, networks, pool, tags, rules, residency, pin, company } = request;
  return {
    key,
    name,
    cores: 0,
    memoryMiB: 0,
    disks: disks.map((disk) => ({ ...disk, sizeBytes: 0 })),
    networks,
    pool,
    tags,
    rules,
    residency,
    pin,
    company,
    prior: { cluster, node: "", storages: [...storages] },
  };
}
