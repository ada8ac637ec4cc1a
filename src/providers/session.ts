/**
 * What the resources of one provider process share: the federation file, one client per cluster, one look at the live
 * federation, and what this run has promised so far. The engine starts a process for the preview and another for the
 * update, so both plan on a look of their own and, by determinism, come to the same plan.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import {
  type Cluster,
  type CredentialEnvironment,
  type Federation,
  loadFederation,
  type ResourcePool,
  resolveCredentials,
} from "../config";
import {
  type BackupServerClients,
  type ClusterClients,
  createBackupServerClients,
  createClusterClients,
  type FederationSnapshot,
  type LookOptions,
  type ReachableCluster,
  takeSnapshot,
  toInventory,
} from "../inventory";
import type { KubernetesApi } from "../kubernetes";
import {
  describeStranded,
  findActiveTask,
  findKilledCreate,
  findOwnedGuests,
  type GuestRef,
  type Identity,
  identityTag,
  isIdentityTag,
  LinkBudget,
  type MarkedGuest,
  MOVING_TAG,
  mayBeUnfinished,
  offlineNodes,
  type Pace,
  readMarkedGuest,
  strandedAt,
  waitForCreates,
  waitUntilCreated,
} from "../migration";
import type { Inventory, Promised } from "../placement";
import type { BackupServerApi, Credentials, GuestRow, ProxmoxApi } from "../proxmox";
import type { JointPlan } from "./deployment";

/** Stack configuration of the program, `get("proxmox-federation:file")`. */
export interface StackConfig {
  get(key: string): string | undefined;
}

/** Two would leave the link idle whenever both shut down or start; more would make each of them long. */
const PARALLEL_TRANSFERS_PER_LINK = 4;

/** A guest that carries one of our identities. */
export interface OwnedGuest {
  cluster: string;
  row: GuestRow;
}

export class UserError extends Error {
  readonly code = "USER";
}

export class Session {
  /** What this run has decided, by identity tag. */
  readonly promised = new Map<string, Promised>();
  /** Decisions about resources that are outside the program's order: they count for all. */
  readonly unordered = new Map<string, Promised>();
  /** Joint plans of this run, by stack and deployment. */
  readonly deployments = new Map<string, Promise<JointPlan>>();
  /** Clients of Kubernetes clusters, by connection. */
  readonly kubernetesClients = new Map<string, Promise<KubernetesApi>>();
  private readonly answers = new Map<string, Promise<unknown>>();
  private readonly lines = new Map<string, Promise<unknown>>();
  private config: StackConfig = { get: () => undefined };
  private loaded: Promise<{ federation: Federation; clients: ClusterClients }> | undefined;
  private look: Promise<Look> | undefined;
  private budget: LinkBudget | undefined;
  private backupServers: BackupServerClients | undefined;

  constructor(
    readonly pace: Pace,
    private readonly environment: Record<string, string | undefined> = process.env,
    private readonly lookOptions: LookOptions = {},
  ) {}

  configure(config: StackConfig): void {
    this.config = config;
  }

  /** Ends its connections; a provider process keeps them to its end. */
  async close(): Promise<void> {
    const [loaded] = await Promise.allSettled(this.loaded ? [this.loaded] : []);
    if (loaded?.status === "fulfilled") await loaded.value.clients.close();
    await this.backupServers?.close();
  }

  async federation(): Promise<Federation> {
    return (await this.load()).federation;
  }

  /** An operator may move outside the declared window, by the stack's configuration. */
  get overrideWindow(): boolean {
    return this.config.get("proxmox-federation:overrideWindow") === "true";
  }

  /** An operator may give up former copies that were to be kept. */
  get overrideKeepSource(): boolean {
    return this.config.get("proxmox-federation:overrideKeepSource") === "true";
  }

  /** An operator gives up the old copies of guests that were failed over. */
  get removeFailedOverCopies(): boolean {
    return this.config.get("proxmox-federation:removeFailedOverCopies") === "true";
  }

  /** Which backup of a lost disk is restored where the newest may be torn; `undefined`: nobody has decided, so none. */
  get diskBackups(): "newest" | "consistent" | undefined {
    const chosen = this.config.get("proxmox-federation:diskBackups");
    if (chosen === undefined || chosen === "newest" || chosen === "consistent") return chosen;
    throw new UserError(`proxmox-federation:diskBackups is "${chosen}": set it to newest or consistent, or remove it.`);
  }

  async cluster(id: string): Promise<Cluster> {
    const { clusters } = await this.federation();
    const cluster = clusters.find((candidate) => candidate.id === id);
    if (!cluster) throw new UserError(`Cluster ${id} is not in federation.yaml (known: ${clusters.map((known) => known.id).join(", ")}).`);
    return cluster;
  }

  async client(clusterId: string): Promise<ProxmoxApi> {
    return (await this.load()).clients.get(await this.cluster(clusterId));
  }

  /** Client of a backup store's own API. */
  readonly backupServer = async (name: string): Promise<BackupServerApi> => {
    const { backupStores } = await this.federation();
    const store = backupStores.find((candidate) => candidate.name === name);
    if (!store?.api)
      throw new UserError(
        `Backup store ${name} ${store ? "has no api in" : "is not in backup_stores of"} federation.yaml, and its server has to be asked. Put it back, then run again.`,
      );
    this.backupServers ??= createBackupServerClients(this.credentialEnvironment);
    return this.backupServers.get(store);
  };

  /** What the cluster's client signs in with. A secret: for a request that must carry it, and nothing else. */
  async credentialsOf(clusterId: string): Promise<Credentials> {
    return resolveCredentials(await this.cluster(clusterId), this.credentialEnvironment);
  }

  async poolOf(name: string): Promise<ResourcePool> {
    const { resourcePools } = await this.federation();
    const pool = resourcePools.find((candidate) => candidate.name === name);
    if (!pool)
      throw new UserError(
        `Pool ${name} is not in resource_pools of federation.yaml (known: ${resourcePools.map((known) => known.name).join(", ") || "none"}). Add it, or pass a ResourcePool of the program.`,
      );
    return pool;
  }

  async snapshot(): Promise<FederationSnapshot> {
    return (await this.lookOnce()).snapshot;
  }

  async inventory(): Promise<Inventory> {
    return (await this.lookOnce()).inventory;
  }

  async reachable(clusterId: string): Promise<ReachableCluster | undefined> {
    const entry = (await this.snapshot()).clusters.get(clusterId);
    return entry?.reachable ? entry : undefined;
  }

  /** Guests with that identity as the run's first look saw them. */
  async ownedGuests(identity: Identity): Promise<OwnedGuest[]> {
    return (await this.lookOnce()).owned.get(identityTag(identity)) ?? [];
  }

  /** The same on one cluster, asked anew. */
  async ownedGuestsNow(identity: Identity, clusterId: string): Promise<MarkedGuest[]> {
    await this.once(`creates ${clusterId}`, () => this.awaitCreates(clusterId));
    return findOwnedGuests(await this.client(clusterId), identity, this.pace, { skipOffline: true });
  }

  /**
   * Creates of an interrupted run: until they end, a token whose rights come from a pool sees only their tasks. Asked before
   * the first create of this run, so that none of its own is among them.
   */
  private async awaitCreates(clusterId: string): Promise<void> {
    const api = await this.client(clusterId);
    const nodes = (await this.reachable(clusterId))?.nodes ?? [];
    for (const { node, status } of nodes) if (status === "online") await waitForCreates({ api, node }, this.pace);
  }

  /** Bandwidth of the links between clusters, shared by all moves of this process. */
  async links(): Promise<LinkBudget> {
    const { migration } = await this.federation();
    this.budget ??= new LinkBudget(migration.parallelTransfersPerLink ?? PARALLEL_TRANSFERS_PER_LINK);
    return this.budget;
  }

  /** File that every move appends a line to; beside the federation file when it is relative. */
  async auditLog(): Promise<string | undefined> {
    const { auditLog } = (await this.federation()).migration;
    return auditLog === undefined ? undefined : path.resolve(path.dirname(this.file), auditLog);
  }

  private get file(): string {
    return path.resolve(this.config.get("proxmox-federation:file") ?? this.environment.FEDERATION_CONFIG ?? "federation.yaml");
  }

  /** Where a vmid is now. HA and operators move guests inside a cluster: never trust a remembered node. */
  async locate(clusterId: string, vmid: number): Promise<(GuestRef & { row: GuestRow }) | undefined> {
    const api = await this.client(clusterId);
    const row = (await api.listResources()).find((candidate) => candidate.kind === "guest" && candidate.vmid === vmid);
    return row?.kind === "guest" ? { api, node: row.node, vmid, row } : undefined;
  }

  /** Asks once per run: the answer is shared by all resources. A failed question is asked again. */
  once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const known = this.answers.get(key) as Promise<T> | undefined;
    if (known) return known;
    const answer = work();
    this.answers.set(key, answer);
    answer.catch(() => this.answers.delete(key));
    return answer;
  }

  /** Runs one piece of work at a time per key, in the order of the calls. */
  alone<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.lines.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.lines.set(key, mine);
    return mine;
  }

  private load(): Promise<{ federation: Federation; clients: ClusterClients }> {
    this.loaded ??= this.readFederation();
    return this.loaded;
  }

  private async readFederation(): Promise<{ federation: Federation; clients: ClusterClients }> {
    const { file } = this;
    const { federation, warnings } = await loadFederation(file);
    for (const warning of warnings) this.pace.report(`warning: ${warning.file}:${warning.line}: ${warning.path}: ${warning.message}`);
    return { federation, clients: createClusterClients(this.credentialEnvironment) };
  }

  private get credentialEnvironment(): CredentialEnvironment {
    return {
      environment: this.environment,
      readFile: (name) => readFile(name, "utf8"),
      pulumiSecret: (key) => this.config.get(`proxmox-federation:${key}`),
      baseDir: path.dirname(this.file),
    };
  }

  /**
   * A guest under creation says neither whose it is nor what it will be. At the first look it can only come from an
   * interrupted run or from somebody else: it is waited for, so that it is found instead of made again.
   */
  private async takeSettledSnapshot(federation: Federation, clients: ClusterClients): Promise<FederationSnapshot> {
    const snapshot = await takeSnapshot(federation, clients, this.lookOptions);
    const creating = [...snapshot.clusters.values()].flatMap((entry) =>
      entry.reachable ? entry.guests.filter((row) => row.lock === "create").map((row) => ({ cluster: entry.cluster, row })) : [],
    );
    if (creating.length === 0) return snapshot;
    const settled = await Promise.all(
      creating.map(async ({ cluster, row }) =>
        this.settleCreate(cluster, { api: await clients.get(cluster), node: row.node, vmid: row.vmid }),
      ),
    );
    return settled.includes(true) ? takeSnapshot(federation, clients, this.lookOptions) : snapshot;
  }

  /** @returns whether it has been waited for. What is left of a killed create is nobody's: an administrator is told what to do. */
  private async settleCreate(cluster: Cluster, guest: GuestRef): Promise<boolean> {
    if (await findActiveTask(guest, "qmcreate")) {
      this.pace.report(`waiting for vm ${guest.vmid} on ${guest.api.clusterId}, which is still being created`);
      await waitUntilCreated(guest, this.pace);
      return true;
    }
    const startedBy = await findKilledCreate(guest);
    if (startedBy !== undefined && startedBy === (await this.userOf(cluster)))
      this.pace.report(`warning: ${describeStranded(await strandedAt(guest))}.`);
    return false;
  }

  /** As tasks name it. */
  private async userOf(cluster: Cluster): Promise<string | undefined> {
    if (!cluster.connection) return undefined;
    const credentials = await resolveCredentials(cluster, this.credentialEnvironment);
    return credentials.kind === "token" ? credentials.tokenId : credentials.username;
  }

  /**
   * For which moment the run decides, the same for all of it: its start, or what the stack says (`at`), so that an update
   * can repeat a preview of hours ago.
   */
  private instantMs(): number {
    const at = this.config.get("proxmox-federation:at");
    if (at === undefined) return this.pace.nowMs();
    const instantMs = Date.parse(at);
    if (Number.isNaN(instantMs)) throw new UserError(`proxmox-federation:at is "${at}": give an instant such as 2026-03-01T22:00:00Z.`);
    return instantMs;
  }

  private lookOnce(): Promise<Look> {
    this.look ??= this.takeLook();
    return this.look;
  }

  private async takeLook(): Promise<Look> {
    const { federation, clients } = await this.load();
    const snapshot = await this.takeSettledSnapshot(federation, clients);
    const pools = new Set([...federation.resourcePools.map((pool) => pool.name), federation.defaultPool]);
    const owned = new Map<string, OwnedGuest[]>();
    const keys = new Map<string, string>();
    for (const entry of snapshot.clusters.values()) {
      if (!entry.reachable) {
        if (entry.cluster.status !== "lost") this.pace.report(`warning: cluster ${entry.cluster.id} is left out: ${entry.reason}`);
        continue;
      }
      const api = await clients.get(entry.cluster);
      const offline = offlineNodes(entry.nodes);
      for (const row of entry.guests) {
        // Whose it is would have to be read from a node that is down: one dead node must not stop all plans.
        const mayBeOurs = !offline.has(row.node) && (mayBeUnfinished(row) || mayHaveLostTags(row, pools));
        const tag = row.tags.find(isIdentityTag) ?? (mayBeOurs ? await tagByMark(api, row) : undefined);
        if (tag === undefined) continue;
        keys.set(`${entry.cluster.id}/${row.vmid}`, tag);
        owned.set(tag, [...(owned.get(tag) ?? []), { cluster: entry.cluster.id, row }]);
      }
    }
    return { snapshot, owned, inventory: toInventory(snapshot, (cluster, row) => keys.get(`${cluster}/${row.vmid}`), this.instantMs()) };
  }
}

interface Look {
  snapshot: FederationSnapshot;
  inventory: Inventory;
  owned: Map<string, OwnedGuest[]>;
}

/** In a pool of the federation nearly every guest is ours: one without our tag has probably lost it to an operator. */
function mayHaveLostTags(row: GuestRow, pools: ReadonlySet<string | undefined>): boolean {
  return row.guestType === "qemu" && row.pool !== undefined && pools.has(row.pool) && !row.tags.some(isIdentityTag);
}

async function tagByMark(api: ProxmoxApi, row: GuestRow): Promise<string | undefined> {
  const guest = await readMarkedGuest({ api, node: row.node, vmid: row.vmid });
  return guest?.mark && identityTag(guest.mark);
}

/** Tells from a row alone that a journal is to be read. */
export function isMoving(row: GuestRow): boolean {
  return row.tags.includes(MOVING_TAG);
}
