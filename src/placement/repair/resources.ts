import { type Ask, isAtHome, storageIds } from "../ask";
import { storageAvailableBytes } from "../capacity";
import type { PoolPolicy } from "../model";
import { wholeNonNegative } from "../numbers";
import { type ClusterState, cpuMilli, type Held, type NodeState, type StorageState, storageNeeds, type World } from "../world";
import type { Resource, Use } from "./model";

/** The resources of a model, numbered as they are first met, and what a request takes of them in a place. */
export class Resources {
  readonly rows: Resource[] = [];
  private readonly nodeNumbers: ReadonlyMap<NodeState, number>;
  private readonly numbers = new Map<unknown, Map<string, number>>();

  constructor(
    private readonly world: World,
    nodes: readonly NodeState[],
    private readonly newcomers: ReadonlySet<number>,
  ) {
    this.nodeNumbers = new Map(nodes.map((node, index) => [node, index]));
    for (const node of nodes) {
      this.cpuOf(node);
      this.memoryOf(node);
    }
  }

  usesAt(ask: Ask, node: NodeState): Use[] {
    const { request, held } = ask;
    const { cluster } = node;
    const here = held.filter((own) => own.cluster === cluster.facts.id && own.node === node.facts.name);
    const most = (amount: (own: Held) => number) => here.reduce((largest, own) => Math.max(largest, amount(own)), 0);
    const cpu = cpuMilli(request.cores);
    const memory = wholeNonNegative(request.memoryMiB);
    const uses: Use[] = [
      { resource: this.cpuOf(node), amount: cpu, asks: cpu > most((own) => own.cpuMilli) },
      { resource: this.memoryOf(node), amount: memory, asks: memory > most((own) => own.memoryMiB) },
    ];
    const guests = this.guestsOf(cluster);
    const isKnownThere = isAtHome(ask, cluster) || held.some((own) => own.cluster === cluster.facts.id);
    if (guests !== undefined) uses.push({ resource: guests, amount: 1, asks: !isKnownThere });
    const ids = storageIds(ask, cluster).map((id) => id ?? "");
    const heldThere = held.filter((own) => own.cluster === cluster.facts.id);
    for (const [storage, amount] of storageNeeds(request, ids, heldThere, node)) {
      uses.push({ resource: this.storageOf(storage, cluster), amount, asks: true });
    }
    return [...uses, ...this.poolUses(ask)].filter(({ amount }) => amount > 0);
  }

  /** What the live guest holds where it is. */
  heldUses({ held, request }: Ask, nodes: readonly NodeState[]): Use[] {
    const uses = held.flatMap((own): Use[] => {
      const node = nodes.find(({ facts, cluster }) => cluster.facts.id === own.cluster && facts.name === own.node);
      if (node === undefined) return [];
      const guests = this.guestsOf(node.cluster);
      return [
        { resource: this.cpuOf(node), amount: own.cpuMilli, asks: false },
        { resource: this.memoryOf(node), amount: own.memoryMiB, asks: false },
        ...(guests === undefined ? [] : [{ resource: guests, amount: 1, asks: false }]),
      ];
    });
    const own = held.filter(({ pool }) => pool !== undefined && pool === request.pool?.name);
    for (const { limit, capacity, amountOf } of poolRows(request.pool)) {
      const amount = own.reduce((sum, live) => sum + amountOf(live), 0);
      uses.push({ resource: this.poolRow(request.pool?.name ?? "", limit, capacity), amount, asks: false });
    }
    return uses.filter(({ amount }) => amount > 0);
  }

  /** A pool's limits hold wherever a guest goes; one that is in the pool already asks for what it wants beyond that. */
  private poolUses({ request, held }: Ask): Use[] {
    const { pool } = request;
    const own = held.filter((live) => live.pool === pool?.name);
    const diskBytes = request.disks.reduce((sum, disk) => sum + wholeNonNegative(disk.sizeBytes), 0);
    const wanted = { diskBytes, cpuMilli: cpuMilli(request.cores), memoryMiB: wholeNonNegative(request.memoryMiB) };
    const areDisksUnknown = own.some((live) => live.disks === undefined && live.diskBytes === 0);
    return poolRows(pool).map(({ limit, capacity, amountOf }) => {
      const has = limit === "maxStorageBytes" && areDisksUnknown ? diskBytes : Math.max(0, ...own.map(amountOf));
      const amount = amountOf(wanted);
      return { resource: this.poolRow(pool?.name ?? "", limit, capacity), amount, asks: amount > has };
    });
  }

  private cpuOf(node: NodeState): number {
    return this.number(node, "cores", () => ({
      name: `cores of ${node.key}`,
      kind: "cores",
      node: this.nodeNumbers.get(node) ?? -1,
      capacity: node.cpuCapacityMilli,
      taken: node.cpuAllocatedMilli,
      hasNewcomer: this.newcomers.has(node.index),
    }));
  }

  private memoryOf(node: NodeState): number {
    return this.number(node, "memory", () => ({
      name: `memory of ${node.key}`,
      kind: "memory",
      node: this.nodeNumbers.get(node) ?? -1,
      capacity: node.memoryCapacityMiB,
      taken: node.memoryAllocatedMiB,
      hasNewcomer: this.newcomers.has(node.index),
    }));
  }

  private guestsOf(cluster: ClusterState): number | undefined {
    const { id, maxVms } = cluster.facts;
    if (maxVms === undefined || Number.isNaN(maxVms)) return undefined;
    const hasNewcomer = cluster.nodes.some(({ index }) => this.newcomers.has(index));
    return this.number(cluster, "guests", () => ({
      ...OTHER,
      name: `guests of ${id}`,
      capacity: maxVms,
      taken: cluster.guests,
      hasNewcomer,
    }));
  }

  /** What is left, since whoever leaves frees nothing before it is gone. */
  private storageOf(storage: StorageState, { facts }: ClusterState): number {
    const capacity = storageAvailableBytes(storage.facts, facts.capacityRules, storage.usedBytes, storage.allocatedBytes);
    const name = `storage ${storage.facts.storage} of ${facts.id}/${storage.facts.nodes.join("+")}`;
    return this.number(storage, "bytes", () => ({ ...OTHER, name, capacity, taken: 0, hasNewcomer: false }));
  }

  private poolRow(pool: string, limit: string, capacity: number): number {
    const use = this.world.pools.get(pool) ?? { guests: 0, cpuMilli: 0, memoryMiB: 0, storageBytes: 0 };
    const taken = { maxVms: use.guests, maxCores: use.cpuMilli, maxMemoryMiB: use.memoryMiB, maxStorageBytes: use.storageBytes };
    return this.number(pool, limit, () => ({
      ...OTHER,
      name: `${limit} of pool ${pool}`,
      capacity,
      taken: taken[limit as keyof typeof taken],
      hasNewcomer: false,
    }));
  }

  private number(of: unknown, what: string, row: () => Resource): number {
    const known = this.numbers.get(of) ?? new Map<string, number>();
    this.numbers.set(of, known);
    const found = known.get(what);
    if (found !== undefined) return found;
    known.set(what, this.rows.length);
    this.rows.push(row());
    return this.rows.length - 1;
  }
}

const OTHER = { kind: "other", node: -1 } as const;

type Amounts = Pick<Held, "cpuMilli" | "memoryMiB" | "diskBytes">;

interface PoolRow {
  limit: keyof PoolPolicy["limits"];
  capacity: number;
  amountOf(amounts: Amounts): number;
}

function poolRows(pool: PoolPolicy | undefined): PoolRow[] {
  if (pool === undefined) return [];
  const { maxVms, maxCores, maxMemoryMiB, maxStorageBytes } = pool.limits;
  const rows: [PoolRow["limit"], number | undefined, PoolRow["amountOf"]][] = [
    ["maxVms", maxVms, () => 1],
    ["maxCores", maxCores === undefined ? undefined : maxCores * 1000, ({ cpuMilli: cpu }) => cpu],
    ["maxMemoryMiB", maxMemoryMiB, ({ memoryMiB }) => memoryMiB],
    ["maxStorageBytes", maxStorageBytes, ({ diskBytes }) => diskBytes],
  ];
  return rows.flatMap(([limit, capacity, amountOf]) =>
    capacity === undefined || Number.isNaN(capacity) ? [] : [{ limit, capacity, amountOf }],
  );
}
