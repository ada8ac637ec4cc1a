/**
 * A program over two fake clusters, taken through the provider's own functions as the engine would: check, diff, check
 * again, create before delete, a process of its own for every preview and every update.
 */
import type { Federation } from "../../src/config";
import { parseDescription } from "../../src/migration";
import { createDisk } from "../../src/providers/disk/create";
import { deleteDisk, diffDisk, readDisk } from "../../src/providers/disk/disk";
import { checkDisk } from "../../src/providers/disk/plan";
import { updateDisk } from "../../src/providers/disk/update";
import type { Inputs } from "../../src/providers/inputs";
import { PartialCreateError } from "../../src/providers/partial";
import type { Session } from "../../src/providers/session";
import { createVm } from "../../src/providers/vm/create";
import { deleteVm } from "../../src/providers/vm/delete";
import { diffVm } from "../../src/providers/vm/diff";
import { checkVm } from "../../src/providers/vm/plan";
import { readVm } from "../../src/providers/vm/read";
import { updateVm } from "../../src/providers/vm/update";
import { FakeStore } from "./fake-backups";
import { FakeCluster, forbidTwins } from "./fake-cluster";
import { cluster, federation } from "./fake-federation";
import { fakeSession } from "./fake-session";
import { FakeWorld } from "./fake-world";

export const STACK = "shop/prod";
export const POOL = "prod";

export interface Declared {
  name: string;
  kind: "vm" | "disk";
  args: Inputs;
  /** A disk: name of the VM it is attached to. */
  attachTo?: string | undefined;
}

/** The resource as the engine keeps it. */
interface Kept {
  kind: Declared["kind"];
  id: string;
  inputs: Inputs;
  outputs: Inputs;
}

const VM = { check: checkVm, diff: diffVm, create: createVm, read: readVm, update: updateVm, delete: deleteVm };
const DISK = { check: checkDisk, diff: diffDisk, create: createDisk, read: readDisk, update: updateDisk, delete: deleteDisk };
const HANDLERS = { vm: VM, disk: DISK };

const wire = (value: Inputs): Inputs => JSON.parse(JSON.stringify(value)) as Inputs;

export class ProgramScenario {
  readonly world = new FakeWorld();
  readonly store = new FakeStore();
  readonly a = new FakeCluster("a", this.world, { nodes: ["a1", "a2"], storages: { fast: {}, slow: {}, bk: { store: this.store } } });
  readonly b = new FakeCluster("b", this.world, { nodes: ["b1", "b2"], storages: { fast: {}, slow: {}, bk: { store: this.store } } });
  readonly federation: Federation;
  /** Of the stack. */
  readonly config = new Map<string, string>();
  private readonly state = new Map<string, Kept>();
  private condemned: Kept[] = [];

  /** Cluster b is draining at first, so that everything begins on a. With a PBS moves are warm; tokens may see their pool only. */
  constructor(options: { store?: "nfs" | "pbs"; poolOnly?: boolean } = {}) {
    forbidTwins(this.world, [this.a, this.b]);
    for (const each of [this.a, this.b]) each.proxmoxPools.set(POOL, { comment: "" });
    if (options.poolOnly) for (const each of [this.a, this.b]) each.onlyPool = POOL;
    const declared = (id: string) =>
      cluster(id, {
        storage: { primary: "fast", classes: { fast: "fast", slow: "slow" }, backends: [], replicationTargets: [] },
        network: {
          bridges: ["vmbr0"],
          networks: { lan: { bridge: "vmbr0" }, dmz: { bridge: "vmbr1", vlan: 7, mtu: 9000 } },
          crossConnects: [],
        },
        images: { debian: "fast:import/debian.qcow2" },
      });
    this.federation = federation({
      clusters: [declared("a"), declared("b")],
      resourcePools: [
        { name: POOL, clusters: ["a", "b"], limits: {}, placementPolicy: { strategy: "balanced", clusterWeights: {}, rules: [] } },
      ],
      defaultPool: POOL,
      migration: { defaultMethod: "backup-restore", preMigrationChecks: [], paths: [] },
      backupStores: [
        { name: "nas", type: options.store ?? "nfs", access: { a: { storage: "bk", readAs: {} }, b: { storage: "bk", readAs: {} } } },
      ],
    });
    this.prefer("a");
  }

  /** The other cluster is draining. */
  prefer(id: "a" | "b"): void {
    for (const each of this.federation.clusters) each.status = each.id === id ? "active" : "draining";
  }

  session(): Session {
    const session = fakeSession(this.world, this.federation, [this.a, this.b]);
    session.configure({ get: (key) => this.config.get(key) });
    return session;
  }

  outputs(name: string): Inputs {
    const kept = this.state.get(name);
    if (!kept) throw new Error(`${name} is not in the state`);
    return kept.outputs;
  }

  has(name: string): boolean {
    return this.state.has(name);
  }

  /** With an alias: the engine's state of it goes on under another name. */
  rename(from: string, to: string): void {
    const kept = this.state.get(from);
    if (!kept) throw new Error(`${from} is not in the state`);
    this.state.delete(from);
    this.state.set(to, kept);
  }

  /** Step by resource: `create`, `same`, `update` or `replace`. Rejects with what `check` refuses. */
  async preview(program: Declared[]): Promise<Record<string, { step: string; inputs: Inputs }>> {
    const session = this.session();
    const planned: Record<string, { step: string; inputs: Inputs }> = {};
    for (const declared of program) {
      const to = declared.attachTo === undefined ? undefined : planned[declared.attachTo];
      const vmid = to?.step === "same" ? this.outputs(declared.attachTo!).vmid : undefined;
      const attachTo = to && { ...(to.inputs.placement as Inputs), vmid: vmid ?? UNKNOWN_VMID };
      planned[declared.name] = await this.plan(session, declared, attachTo);
    }
    return planned;
  }

  private async plan(session: Session, declared: Declared, attachTo: Inputs | undefined): Promise<{ step: string; inputs: Inputs }> {
    const kept = this.state.get(declared.name);
    const inputs = await this.check(session, declared, attachTo, kept?.inputs ?? {});
    if (!kept) return { step: "create", inputs };
    const { changes, replaces } = HANDLERS[declared.kind].diff(kept.outputs, inputs);
    return { step: replaces.length > 0 ? "replace" : changes ? "update" : "same", inputs };
  }

  private async check(session: Session, { kind, name, args }: Declared, attachTo: Inputs | undefined, olds: Inputs): Promise<Inputs> {
    const at = attachTo && { cluster: attachTo.cluster, node: attachTo.node, vmid: attachTo.vmid };
    const news = { ...args, ...(at ? { attachTo: at } : {}), __provider: "text", __identity: { stack: STACK, name } };
    const { inputs, failures } = await HANDLERS[kind].check(session, olds, wire(news));
    if (failures.length > 0) throw new Error(failures.map(({ property, reason }) => `${property}: ${reason}`).join("\n"));
    return wire(inputs);
  }

  /** `pulumi up`; what is no longer declared or was replaced goes last, the newest first. */
  async up(program: Declared[]): Promise<Record<string, string>> {
    const session = this.session();
    const steps: Record<string, string> = {};
    for (const declared of program) {
      const vm = declared.attachTo === undefined ? undefined : this.outputs(declared.attachTo);
      const attachTo = vm && { ...(vm.placement as Inputs), vmid: vm.vmid };
      const { step, inputs } = await this.plan(session, declared, attachTo);
      steps[declared.name] = step;
      const kept = this.state.get(declared.name);
      if (kept && step === "replace") {
        // A replacement is checked a second time, without the old inputs.
        const again = await this.check(session, declared, attachTo, {});
        await this.create(session, declared, again);
        this.condemned.push(kept);
      } else if (kept && step === "update") {
        const { outs } = await HANDLERS[declared.kind].update(session, kept.outputs, inputs);
        this.state.set(declared.name, { ...kept, inputs, outputs: wire(outs) });
      } else if (kept) this.state.set(declared.name, { ...kept, inputs });
      else await this.create(session, declared, inputs);
    }
    await this.deleteCondemned(session);
    for (const [name, kept] of [...this.state].reverse()) {
      if (program.some((declared) => declared.name === name)) continue;
      await HANDLERS[kept.kind].delete(session, kept.outputs);
      this.state.delete(name);
    }
    return steps;
  }

  /** A half-made resource is recorded. */
  private async create(session: Session, { kind, name }: Declared, inputs: Inputs): Promise<void> {
    try {
      const { id, outs } = await HANDLERS[kind].create(session, inputs);
      this.state.set(name, { kind, id, inputs, outputs: wire(outs) });
    } catch (error) {
      if (error instanceof PartialCreateError) this.state.set(name, { kind, id: error.id, inputs, outputs: wire(error.properties) });
      throw error;
    }
  }

  private async deleteCondemned(session: Session): Promise<void> {
    for (let kept = this.condemned.at(-1); kept; kept = this.condemned.at(-1)) {
      await HANDLERS[kept.kind].delete(session, kept.outputs);
      this.condemned.pop();
    }
  }

  /** `pulumi refresh`: drift by resource; what is gone leaves the state. */
  async refresh(): Promise<Record<string, unknown>> {
    const session = this.session();
    const drift: Record<string, unknown> = {};
    for (const [name, kept] of this.state) {
      const { id, props, inputs } = await readResource(session, kept);
      if (id === "") this.state.delete(name);
      else this.state.set(name, { kind: kept.kind, id, inputs: inputs ?? kept.inputs, outputs: wire(props) });
      if (props.drift !== undefined) drift[name] = props.drift;
    }
    return drift;
  }

  destroy(): Promise<Record<string, string>> {
    return this.up([]);
  }

  /** `cluster/vmid state` of every guest with our mark. */
  ours(): string[] {
    return [this.a, this.b].flatMap((each) =>
      [...each.guests.values()]
        .filter((guest) => parseDescription(guest.config.description).mark?.federation === "fed")
        .map((guest) => `${each.clusterId}/${guest.vmid} ${guest.power}`),
    );
  }

  /** Broken laws, and what nobody needs any more. */
  litter(): string[] {
    const found = [...this.world.violations];
    if (this.store.archives.length > 0) found.push(`${this.store.archives.length} archives`);
    for (const each of [this.a, this.b])
      for (const volume of each.volumes.values())
        if (!each.guests.has(volume.vmid)) found.push(`${volume.volid} of ${each.clusterId} belongs to nobody`);
    return found;
  }
}

/** How the engine writes what is not known yet. */
const UNKNOWN_VMID = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

function readResource(session: Session, kept: Kept): Promise<{ id: string; props: Inputs; inputs?: Inputs }> {
  return HANDLERS[kept.kind].read(session, kept.id, kept.outputs);
}
