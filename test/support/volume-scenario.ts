/**
 * One Kubernetes volume over two fake clusters of two nodes each, taken through the provider's own functions as the engine
 * would: check, diff, check again, create before delete, a process of its own for every preview and every update.
 */
import type { Federation } from "../../src/config";
import { parseDescription } from "../../src/migration";
import type { Inputs } from "../../src/providers/inputs";
import type { Session } from "../../src/providers/session";
import { createVolume } from "../../src/providers/volume/create";
import { checkVolume } from "../../src/providers/volume/plan";
import { updateVolume } from "../../src/providers/volume/update";
import { deleteVolume, diffVolume, readVolume } from "../../src/providers/volume/volume";
import { FakeStore } from "./fake-backups";
import { FakeCluster, forbidTwins } from "./fake-cluster";
import { cluster, federation } from "./fake-federation";
import { CLAIM, FakeKubernetes, WORKLOAD } from "./fake-kubernetes";
import { fakeSession } from "./fake-session";
import { FakeWorld } from "./fake-world";

const POOL = "prod";
const CONNECTION_KEY = JSON.stringify([undefined, undefined, undefined]);

interface Kept {
  id: string;
  inputs: Inputs;
  outputs: Inputs;
}

/** As the engine passes it on: keys in an order of its own. */
const wire = (value: Inputs): Inputs => JSON.parse(JSON.stringify(value), (_key, part: unknown) => sortKeys(part)) as Inputs;

function sortKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export class VolumeScenario {
  readonly world = new FakeWorld();
  readonly store = new FakeStore();
  readonly a: FakeCluster;
  readonly b: FakeCluster;
  readonly kubernetes: FakeKubernetes;
  readonly federation: Federation;
  state: Kept | undefined;
  /** Of the stack. */
  readonly config = new Map<string, string>();
  private condemned: Kept[] = [];

  /** @param moreNodes of cluster a, without a worker */
  constructor(moreNodes: string[] = []) {
    const make = (id: string) =>
      new FakeCluster(id, this.world, {
        nodes: [`${id}1`, `${id}2`, ...(id === "a" ? moreNodes : [])],
        storages: {
          fast: { shared: false },
          tank: { shared: false, type: "zfspool" },
          common: { shared: true },
          bk: { store: this.store },
        },
      });
    [this.a, this.b] = [make("a"), make("b")];
    forbidTwins(this.world, [this.a, this.b]);
    for (const each of [this.a, this.b]) each.proxmoxPools.set(POOL, { comment: "" });
    this.kubernetes = new FakeKubernetes(
      this.world,
      new Map([
        ["a", this.a],
        ["b", this.b],
      ]),
    );
    const storage = { primary: "fast", classes: { fast: "fast", common: "common", tank: "tank" }, backends: [], replicationTargets: [] };
    this.federation = federation({
      clusters: [cluster("a", { storage }), cluster("b", { storage })],
      resourcePools: [
        { name: POOL, clusters: ["a", "b"], limits: {}, placementPolicy: { strategy: "balanced", clusterWeights: {}, rules: [] } },
      ],
      defaultPool: POOL,
      migration: { defaultMethod: "backup-restore", preMigrationChecks: [], paths: [] },
      backupStores: [{ name: "nas", type: "nfs", access: { a: { storage: "bk", readAs: {} }, b: { storage: "bk", readAs: {} } } }],
    });
  }

  /** Of one more provider process. */
  newSession(): Session {
    const session = fakeSession(this.world, this.federation, [this.a, this.b]);
    session.configure({ get: (key) => this.config.get(key) });
    session.kubernetesClients.set(CONNECTION_KEY, Promise.resolve(this.kubernetes));
    return session;
  }

  async preview(args: Inputs): Promise<{ step: string; inputs: Inputs }> {
    return this.plan(this.newSession(), args);
  }

  private async plan(session: Session, args: Inputs): Promise<{ step: string; inputs: Inputs }> {
    const inputs = await this.check(session, args, this.state?.inputs ?? {});
    if (!this.state) return { step: "create", inputs };
    const { changes, replaces } = diffVolume(this.state.outputs, inputs);
    return { step: replaces.length > 0 ? "replace" : changes ? "update" : "same", inputs };
  }

  private async check(session: Session, args: Inputs, olds: Inputs): Promise<Inputs> {
    const news = { size: "2GiB", claim: CLAIM, ...args, __provider: "text", __identity: { stack: "shop/prod", name: "data" } };
    const { inputs, failures } = await checkVolume(session, olds, wire(news));
    if (failures.length > 0) throw new Error(failures.map(({ property, reason }) => `${property}: ${reason}`).join("\n"));
    return wire(inputs);
  }

  /** `pulumi up` */
  async up(args: Inputs): Promise<string> {
    const session = this.newSession();
    const { step, inputs } = await this.plan(session, args);
    if (step === "replace") {
      // A replacement is checked a second time, without the old inputs.
      const again = await this.check(session, args, {});
      const former = this.state!;
      await this.create(session, again);
      this.condemned.push(former);
    } else if (step === "create") await this.create(session, inputs);
    else if (step === "update") {
      const { outs } = await updateVolume(session, this.state!.outputs, inputs);
      this.state = { ...this.state!, inputs, outputs: wire(outs) };
    } else this.state = { ...this.state!, inputs };
    await this.deleteCondemned(session);
    return step;
  }

  async destroy(): Promise<void> {
    const session = this.newSession();
    await this.deleteCondemned(session);
    if (this.state) await deleteVolume(session, this.state.outputs);
    this.state = undefined;
  }

  /** What `pulumi refresh` finds; a volume that is gone leaves the state. */
  async refresh(): Promise<unknown> {
    const { id, props } = await readVolume(this.newSession(), this.state!.id, this.state!.outputs);
    this.state = id === "" ? undefined : { ...this.state!, outputs: wire(props) };
    return props.drift;
  }

  private async create(session: Session, inputs: Inputs): Promise<void> {
    const { id, outs } = await createVolume(session, inputs);
    this.state = { id, inputs, outputs: wire(outs) };
  }

  private async deleteCondemned(session: Session): Promise<void> {
    for (let kept = this.condemned.at(-1); kept; kept = this.condemned.at(-1)) {
      await deleteVolume(session, kept.outputs);
      this.condemned.pop();
    }
  }

  /** `cluster/node phase` of every guest with our mark. */
  owners(): string[] {
    return [this.a, this.b].flatMap((each) =>
      [...each.guests.values()].flatMap((guest) => {
        const { mark } = parseDescription(guest.config.description);
        return mark ? [`${each.clusterId}/${guest.node} ${mark.phase}`] : [];
      }),
    );
  }

  /** Whose data the volume's disk holds. */
  writes(): string[] {
    const on = this.state?.outputs.placement as { cluster: string };
    const each = on.cluster === "a" ? this.a : this.b;
    return each.volumes.get(this.state?.outputs.volid as string)?.writes ?? [];
  }

  /** Broken laws, and what nobody needs any more. */
  litter(): string[] {
    const found = [...this.world.violations];
    if (this.store.archives.length > 0) found.push(`${this.store.archives.length} archives`);
    for (const each of [this.a, this.b])
      for (const volume of each.volumes.values())
        if (!each.guests.has(volume.vmid)) found.push(`${volume.volid} of ${each.clusterId} belongs to nobody`);
    if (this.kubernetes.volumes.size > (this.state ? 1 : 0))
      found.push(`PersistentVolumes ${[...this.kubernetes.volumes.keys()].join(", ")}`);
    return found;
  }
}

export const QUIESCE = { ...WORKLOAD };
