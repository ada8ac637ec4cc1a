import { readFile } from "node:fs/promises";
import path from "node:path";
import type { App } from "cdktf";
import { type ConfigIssue, type Federation as DeclaredFederation, loadFederation } from "../config";
import { createClusterClients } from "../inventory";
import type { Inventory, Placement, Promised } from "../placement";
import { declaredInventory } from "./declared-inventory";
import { SynthError } from "./errors";
import { type LiveLook, lookAtClusters } from "./live";
import { type Lock, readLock, writeLock } from "./lock-file";

export interface FederationOptions {
  /** Path of federation.yaml. */
  file: string;
  /** Default: `federation.lock.json` beside `file`. */
  lockFile?: string;
  /**
   * Places by the capacity that federation.yaml declares and the lock file, without contacting a cluster. Refused without a
   * lock file: VMs that exist would look new. Default false.
   */
  offline?: boolean;
  /** For which moment is decided (time windows of rules), such as `2026-03-01T22:00:00Z`. Default: now. */
  at?: string;
  /** Where token secrets come from. Default: `process.env`. */
  environment?: Record<string, string | undefined>;
}

/** Where a VM is, as far as known before placing. */
export interface KnownHome {
  prior?: Placement;
  /** Lock file and clusters name different clusters. */
  conflict?: { locked: string; live: string };
  /** Several guests carry its tag, and no lock file says which one it is. */
  twins?: readonly Placement[];
}

/** The federation a CDKTF program places its VMs in: loaded before the constructs are made, since those cannot wait. */
export class Federation {
  /** What this program has decided so far. */
  readonly promised: Promised[] = [];
  private readonly decided = new Map<string, Placement>();

  private constructor(
    readonly declared: DeclaredFederation,
    /** What is odd about federation.yaml. */
    readonly warnings: readonly ConfigIssue[],
    readonly inventory: Inventory,
    private readonly look: LiveLook | undefined,
    private readonly lockFile: string,
    private readonly lock: Lock | undefined,
  ) {}

  /**
   * Reads federation.yaml and the lock file and looks at every cluster once.
   *
   * @throws FederationConfigError, CredentialError
   * @throws SynthError when VMs that exist could be taken for new ones
   */
  static async load(options: FederationOptions): Promise<Federation> {
    const file = path.resolve(options.file);
    const { federation, warnings } = await loadFederation(file);
    const lockFile = path.resolve(options.lockFile ?? path.join(path.dirname(file), "federation.lock.json"));
    const lock = await readLock(lockFile, federation.name);
    const instantMs = toInstant(options.at);
    if (options.offline) {
      if (!lock)
        throw new SynthError("UNSEEN", [`There is no ${lockFile}: offline, VMs that exist would look new. ${HOW_TO_START_OFFLINE}`]);
      return new Federation(federation, warnings, declaredInventory(federation, instantMs), undefined, lockFile, lock);
    }
    const clients = createClusterClients({
      environment: options.environment ?? process.env,
      readFile: (name) => readFile(name, "utf8"),
      baseDir: path.dirname(file),
    });
    try {
      const look = await lookAtClusters(federation, clients, instantMs);
      if (!lock && look.unseen.length > 0)
        throw new SynthError("UNSEEN", [
          `There is no ${lockFile}, and ${look.unseen.join(", ")} did not answer: a VM there would look new and be made twice. Bring the lock file back from version control, or run again when all clusters answer.`,
        ]);
      return new Federation(federation, warnings, look.inventory, look, lockFile, lock);
    } finally {
      await clients.close();
    }
  }

  /**
   * `app.synth()`, then the lock file. Use it instead of `app.synth()`: what was placed stays placed. Nothing is written when
   * synthesis fails.
   */
  async synth(app: App): Promise<void> {
    app.synth();
    const stacks = new Set(app.node.children.map((stack) => stack.node.id));
    // A VM of this program's stacks that is not declared any more is gone with the next apply; other programs' VMs stay.
    const kept = [...(this.lock ?? [])].filter(([key]) => !stacks.has(key.slice(0, key.indexOf("/"))));
    await writeLock(this.lockFile, this.declared.name, new Map([...kept, ...this.decided]));
  }

  /** The live node wins over the locked one (HA or an operator moved the VM), the locked storages over none. */
  homeOf(key: string, tag: string): KnownHome {
    const locked = this.lock?.get(key);
    const homes = this.look?.homes.get(tag) ?? [];
    const [live] = [...homes].sort((a, b) => likeness(b, locked) - likeness(a, locked));
    if (!live) return locked ? { prior: locked } : {};
    if (!locked) return homes.length > 1 ? { prior: live, twins: homes } : { prior: live };
    if (locked.cluster !== live.cluster) return { prior: live, conflict: { locked: locked.cluster, live: live.cluster } };
    return { prior: { ...live, storages: locked.storages } };
  }

  /** @throws SynthError when two VMs have the key */
  decide(key: string, { request, placement }: Promised): void {
    if (this.decided.has(key)) throw new SynthError("INPUT", [`Two VMs of one stack are called ${key}. Give each its own name.`]);
    this.decided.set(key, placement);
    this.promised.push({ request, placement });
  }
}

const HOW_TO_START_OFFLINE =
  'Synthesize once with the clusters, bring the file back from version control, or, if no VM was ever created, create it with {"version":1,"federation":"<name>","vms":{}}.';

function toInstant(at: string | undefined): number {
  const instantMs = at === undefined ? Date.now() : Date.parse(at);
  if (Number.isNaN(instantMs)) throw new SynthError("INPUT", [`at is "${at}": give an instant such as 2026-03-01T22:00:00Z.`]);
  return instantMs;
}

/** Which of several guests with one tag (a clone, a move that did not end) is the one that was locked. */
function likeness(place: Placement, locked: Placement | undefined): number {
  if (place.cluster !== locked?.cluster) return 0;
  return place.node === locked.node ? 2 : 1;
}
