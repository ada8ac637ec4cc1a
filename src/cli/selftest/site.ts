/** One tested cluster: what it is asked before and after its test VM, and its pool. */
import type { Cluster, Federation } from "../../config";
import { withinDeadline } from "../../inventory";
import type { Inputs } from "../../providers/inputs";
import { checkPool, createPool, deletePool } from "../../providers/pool/pool";
import type { Session } from "../../providers/session";
import type { ProxmoxApi } from "../../proxmox";
import { counted } from "../words";
import { compareVolumes, findTestGuests, findWrecks, listVolumes, type Place, removeTestGuests, type Volumes } from "./leftovers";
import { type Settings, testStackName } from "./settings";
import { SkippedStep } from "./steps";
import { type InSession, TestVmError } from "./test-vm";

export class TestSite {
  private before: Volumes = new Map();
  /** Outputs of the pool, when this test has made it. */
  private pool: Inputs | undefined;

  constructor(
    readonly cluster: Cluster,
    private readonly federation: Federation,
    private readonly settings: Settings,
    private readonly inSession: InSession,
  ) {}

  private get id(): string {
    return this.cluster.id;
  }

  async connect(): Promise<string> {
    return this.inSession(async (session) => {
      const api = await session.client(this.id);
      const { version } = await withinDeadline(this.cluster, (options) => api.getVersion(options));
      const nodes = await this.onlineNodes(session);
      if (nodes.length === 0) throw new TestVmError(`cluster ${this.id} shows no node that is online.`);
      return `Proxmox VE ${version}, ${counted(nodes.length, "node")} online`;
    });
  }

  private async onlineNodes(session: Session): Promise<string[]> {
    const rows = await (await session.client(this.id)).listResources();
    return rows.flatMap((row) => (row.kind === "node" && row.status === "online" ? [row.node] : []));
  }

  /** Online nodes other than `current` that have the test's storage. */
  async otherNodes(current: string): Promise<string[]> {
    return this.inSession(async (session) => {
      const rows = await (await session.client(this.id)).listResources();
      const having = new Set(rows.flatMap((row) => (row.kind === "storage" && this.isTestStorage(row) ? [row.node] : [])));
      return (await this.onlineNodes(session)).filter((node) => node !== current && having.has(node));
    });
  }

  private isTestStorage({ storage, status }: { storage: string; status: string }): boolean {
    return storage === this.settings.storages.get(this.id) && status === "available";
  }

  /** Leftovers of an interrupted test first, so that they are not taken for volumes of somebody else. */
  async clear(): Promise<string | undefined> {
    return this.inSession(async (session) => {
      const removed = await removeTestGuests(session, this.settings, this.id);
      this.before = await listVolumes(await session.client(this.id), await this.places(session));
      return removed.length === 0 ? undefined : `removed ${removed.join(", ")} of an interrupted test`;
    });
  }

  /** Removes what is left; safe to repeat. */
  async removeGuests(): Promise<string | undefined> {
    const removed = await this.inSession((session) => removeTestGuests(session, this.settings, this.id));
    return removed.length === 0 ? undefined : `removed ${removed.join(", ")}`;
  }

  /** Every place where a test disk or an archive of its moves could be. */
  private async places(session: Session): Promise<Place[]> {
    const rows = await (await session.client(this.id)).listResources();
    const disk = this.settings.storages.get(this.id);
    const archives = new Set(this.archiveStorages());
    const seen = new Set<string>();
    return rows.flatMap((row): Place[] => {
      if (row.kind !== "storage" || row.status !== "available") return [];
      const content = archives.has(row.storage) ? "backup" : row.storage === disk ? "images" : undefined;
      // A shared storage shows the same on every node.
      if (content === undefined || (row.shared && seen.has(row.storage))) return [];
      seen.add(row.storage);
      return [{ node: row.node, storage: row.storage, content }];
    });
  }

  private archiveStorages(): string[] {
    return this.federation.backupStores.flatMap(({ access }) => {
      const own = access[this.id];
      return own === undefined ? [] : [own.storage, ...Object.values(own.readAs)];
    });
  }

  async ensurePool(): Promise<string> {
    const { pool } = this.settings;
    return this.inSession(async (session) => {
      const api = await session.client(this.id);
      const existing = await api.pools.find(pool);
      if (existing && !isOwnPool(existing.comment, this.poolMark())) return describePool(existing.members.length);
      const { inputs, failures } = await checkPool(session, {
        name: pool,
        clusters: [this.id],
        __identity: { stack: testStackName(pool), name: poolName(this.id) },
      });
      if (failures.length > 0) throw new TestVmError(failures.map(({ reason }) => reason).join("; "));
      const { outs } = await createPool(session, inputs);
      this.pool = outs;
      // Created or not, an outage is a warning to a Pulumi program and a failure here.
      if (!(await api.pools.find(pool))) throw new TestVmError(`pool ${pool} is not there after its creation.`);
      return existing ? "it was left by an interrupted test" : "made for the test";
    });
  }

  private poolMark(): string {
    return `proxmox-federation ${this.federation.name} ${testStackName(this.settings.pool)} ${poolName(this.id)}`;
  }

  async removePool(): Promise<string | undefined> {
    const { pool } = this;
    if (!pool) throw new SkippedStep("the pool is not this test's own");
    await this.inSession(async (session) => {
      await deletePool(session, pool);
      if (await (await session.client(this.id)).pools.find(this.settings.pool))
        throw new TestVmError(`pool ${this.settings.pool} is still there.`);
    });
    return undefined;
  }

  /** @param vmids of all guests this test has had, on any cluster */
  async verifyNothingLeft(vmids: ReadonlySet<number>): Promise<string | undefined> {
    return this.inSession(async (session) => {
      const api: ProxmoxApi = await session.client(this.id);
      const guests = (await findTestGuests(session, this.settings, this.id)).map(({ ref }) => `vm ${ref.vmid}`);
      const wrecks = (await findWrecks(session, this.settings, this.id, vmids)).map(
        ({ vmid }) => `vm ${vmid} (empty, without a mark: look at it and remove it by hand)`,
      );
      const { left, unknown } = compareVolumes(this.before, await listVolumes(api, await this.places(session), vmids));
      const all = [...guests, ...wrecks, ...left];
      if (all.length > 0) throw new TestVmError(`left on ${this.id}: ${all.join(", ")}.`);
      if (unknown.length > 0) throw new SkippedStep(`no guest is left; could not be listed: ${unknown.join(", ")}`);
      return undefined;
    });
  }
}

function poolName(cluster: string): string {
  return `selftest-${cluster}`;
}

function isOwnPool(comment: string | undefined, mark: string): boolean {
  return comment === mark || (comment?.startsWith(`${mark}: `) ?? false);
}

function describePool(members: number): string {
  const others = members === 0 ? "" : `; its ${counted(members, "guest")} ${members === 1 ? "is" : "are"} not touched`;
  return `it was there before and stays${others}`;
}
