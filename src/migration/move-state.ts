/** A move under way: what was asked for, the source as last read, and the journal as it stands on the source. */
import { type Mark, type MoveJournal, type StrandedGuest, sameIdentity } from "./mark";
import { type MarkedGuest, MOVING_TAG, readMarkedGuest, tagsOf, writeMark } from "./marked-guest";
import type { MoveRequest } from "./move-request";
import type { GuestRef, Pace } from "./operations";
import { describeStranded } from "./stranded";

/** The description holds 8192 characters, the user's text among them. */
const MOST_UPIDS = 12;

export class MoveState {
  source!: MarkedGuest;
  /** As it stands on the source: absent until the first one is written or taken up. */
  journal: MoveJournal | undefined;

  /** Tells every task it starts to the journal. */
  readonly pace: Pace;
  /** UPIDs of this run, the journal's among them as soon as it is written again. */
  readonly startedTasks: string[] = [];
  private readonly strandedGuests: StrandedGuest[] = [];

  constructor(
    readonly request: MoveRequest,
    pace: Pace,
  ) {
    this.pace = { ...pace, onTask: (upid) => this.startedTasks.push(upid) };
  }

  /** The journal of a move that has begun. */
  get begun(): MoveJournal {
    if (!this.journal) throw new Error(`the move of ${this.request.name} has no journal yet`);
    return this.journal;
  }

  async readSource(): Promise<MarkedGuest> {
    const { source: ref, identity } = this.request;
    const source = await readMarkedGuest(ref);
    if (!source)
      throw new Error(`vm ${ref.vmid} is no longer on ${ref.api.clusterId}/${ref.node}: it was moved or deleted meanwhile. Run again.`);
    if (!source.mark || !sameIdentity(source.mark, identity))
      throw new Error(
        `vm ${ref.vmid} on ${ref.api.clusterId}/${ref.node} no longer carries our mark and is not touched. Run "pulumi refresh".`,
      );
    this.source = source;
    return source;
  }

  async readTarget(target: GuestRef): Promise<MarkedGuest> {
    const guest = await readMarkedGuest(target);
    if (!guest) throw new Error(`vm ${target.vmid} is not on ${target.api.clusterId}/${target.node} any more`);
    return guest;
  }

  /** Changes the journal on the source. Proxmox refuses it while the guest is locked, during a backup for instance. */
  async writeJournal(changed: MoveJournal): Promise<void> {
    const { step, reached = {}, upids = [] } = changed;
    const journal: MoveJournal = {
      ...changed,
      reached: step in reached ? reached : { ...reached, [step]: Math.floor(this.pace.nowMs() / 1000) },
      upids: [...new Set([...upids, ...this.startedTasks])].slice(-MOST_UPIDS),
    };
    this.source = await writeMark(
      this.source,
      { mark: { ...this.source.mark!, phase: "moving", move: journal }, tags: withTag(tagsOf(this.source.config), MOVING_TAG) },
      this.pace,
    );
    // Only what stands on the guest counts: a refused write leaves the step, and with it the way back, as it was.
    this.journal = journal;
  }

  /** What killed restores have left at the target, for an administrator. */
  get stranded(): StrandedGuest[] {
    const all = [...(this.journal?.stranded ?? []), ...this.strandedGuests];
    return all.filter(({ cluster, vmid }, index) => all.findIndex((other) => other.cluster === cluster && other.vmid === vmid) === index);
  }

  readonly tellStranded = (guest: StrandedGuest): void => {
    this.pace.report(`${this.request.name}: ${describeStranded(guest)}`);
    this.strandedGuests.push(guest);
  };

  /** Between steps: a cancelled move goes no further. */
  stopIfCancelled(): void {
    this.pace.signal?.throwIfAborted();
  }

  change(changes: Partial<MoveJournal>): Promise<void> {
    return this.writeJournal({ ...this.begun, ...changes });
  }

  /** What the target carries while it is on its way. */
  targetMark(phase: Mark["phase"]): Mark {
    const { identity, generation, source } = this.request;
    // By this note an old copy is known that comes back with its cluster.
    const { failover } = this.source.mark ?? {};
    return {
      ...identity,
      generation,
      phase,
      source: { cluster: source.api.clusterId, vmid: source.vmid },
      ...(failover === undefined ? {} : { failover }),
    };
  }
}

export function withTag(tags: string[], tag: string): string[] {
  return [...new Set([...tags, tag])].sort();
}
