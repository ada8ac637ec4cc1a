/**
 * A move between clusters: back the stopped guest up, restore it there, verify, start, retire the source.
 * Every step first looks whether an earlier, interrupted run has done it. The source is destroyed by nobody here: that is
 * the delete half of the replacement, and only for a source that is marked retired.
 */
import { randomBytes } from "node:crypto";
import { TaskFailedError, type Volume } from "../proxmox";
import { ensureArchive, removeArchives, reportProgress, waitUntilVisible } from "./archive";
import { claimGuest, findGuest } from "./claim";
import { ownerVmidOf } from "./drives";
import { formatDescription, type Identity, identityTag, type Mark, type MoveJournal, parseDescription, sameIdentity } from "./mark";
import { type MarkedGuest, MOVING_TAG, readMarkedGuest, tagsOf, writeMark } from "./marked-guest";
import {
  findActiveTask,
  type GuestRef,
  type Pace,
  putConfig,
  refuseForeignLock,
  runTask,
  shutDownGuest,
  startGuest,
  waitForTask,
} from "./operations";
import { findOwnedGuests, waitForCreates } from "./owned-guests";
import { isRestoreWreck, rollBackMove } from "./rollback";
import type { Route } from "./route";
import { verifyRestored } from "./verify";

export interface MoveRequest {
  identity: Identity;
  /** Generation of the moved guest. */
  generation: number;
  route: Route;
  source: GuestRef;
  target: {
    api: GuestRef["api"];
    node: string;
    pool: string;
    /** Restore puts every disk here; {@link MoveRequest.adapt} moves those that belong elsewhere. */
    storage: string;
    vmidRange?: { first: number; last: number };
  };
  /** What the target carries when it is done. */
  text: string;
  tags: string[];
  name: string;
  shutdown: { timeoutSeconds: number; force: boolean };
  /** Whether the guest shall run afterwards. */
  running: boolean;
  /**
   * Runs shutdown and backup when it is this guest's turn. Proxmox backs up one guest per node at a time: without a queue
   * the others would wait for their turn switched off.
   */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** Client of any cluster: an interrupted move may have gone elsewhere. */
  apiOf: (cluster: string) => Promise<GuestRef["api"]>;
  /** Brings the restored, stopped guest to its declared shape. */
  adapt: (target: GuestRef) => Promise<void>;
  /** Resolves when the started guest is alive (its agent answers); rejects when it does not come up. */
  waitUntilAlive: (target: GuestRef) => Promise<void>;
  /** Whether the target starts with its node; absent: left at no. */
  onBoot?: boolean;
}

export interface MoveRecord {
  id: string;
  method: "backup-restore";
  from: { cluster: string; node: string; vmid: number };
  to: { cluster: string; node: string; vmid: number };
  /** Volid on the source cluster; removed after the move. */
  archive: string;
  startedAt: string;
  finishedAt: string;
}

/** A target that was started and did not come up: neither side is touched any further until somebody has looked. */
export class TargetNotAliveError extends Error {
  readonly code = "TARGET_NOT_ALIVE";
}

/** Steps at which the source has been fenced for good. */
const FENCED_STEPS: ReadonlySet<MoveJournal["step"]> = new Set(["backing-up", "backed-up", "restoring", "verified", "finishing"]);

const RESTORE_TIMEOUT_MS = 72 * 3600 * 1000;

/** @returns the target. On failure before its start everything is rolled back and the source runs again. */
export async function moveByBackupRestore(request: MoveRequest, pace: Pace): Promise<{ target: GuestRef; record: MoveRecord }> {
  const move = new Move(request, pace);
  try {
    return await move.run();
  } catch (error) {
    if (error instanceof TargetNotAliveError) throw error;
    await move.rollBack(error);
    throw error;
  }
}

class Move {
  private source!: MarkedGuest;
  private journal!: MoveJournal;

  constructor(
    private readonly request: MoveRequest,
    private readonly pace: Pace,
  ) {}

  async run(): Promise<{ target: GuestRef; record: MoveRecord }> {
    await this.begin();
    const target = await this.claimTarget();
    if (!(await this.isSettled(target))) {
      const archive = await this.request.inTurn(async () => {
        await this.stopAndFenceSource();
        return this.backUp();
      });
      await this.restore(target, archive);
      await this.verify(target);
      await this.request.adapt(target);
      await this.finish(target);
    }
    await this.retireSource(target);
    await removeArchives(this.request.source, this.journal.storage, this.journal.id, this.pace);
    return { target, record: this.record(target) };
  }

  /** Undoes everything, unless nothing was done yet or the target may already have run. */
  async rollBack(cause: unknown): Promise<void> {
    if (this.journal === undefined || this.journal.step === "finishing") return;
    try {
      await rollBackMove(await this.rollbackRequest(true), this.pace);
    } catch (error) {
      throw new Error(
        `${messageOf(cause)}\nRolling the move back did not finish either: ${messageOf(error)}\nNothing is lost: the source (vm ${this.request.source.vmid} on ${this.request.route.source}) holds all data. Mend the cause and run again.`,
        { cause },
      );
    }
  }

  private async rollbackRequest(restart: boolean) {
    const { identity, source, target, apiOf } = this.request;
    const targetApi = await apiOf(this.journal.target.cluster);
    return { identity, source, targetApi, targetPool: target.pool, restart };
  }

  private async isSettled(target: GuestRef): Promise<boolean> {
    return (await this.readTarget(target)).mark?.phase === "settled";
  }

  private async readSource(): Promise<MarkedGuest> {
    const source = await readMarkedGuest(this.request.source);
    const ref = this.request.source;
    if (!source)
      throw new Error(`vm ${ref.vmid} is no longer on ${ref.api.clusterId}/${ref.node}: it was moved or deleted meanwhile. Run again.`);
    if (!source.mark || !sameIdentity(source.mark, this.request.identity))
      throw new Error(
        `vm ${ref.vmid} on ${ref.api.clusterId}/${ref.node} no longer carries our mark and is not touched. Run "pulumi refresh".`,
      );
    return source;
  }

  private async readTarget(target: GuestRef): Promise<MarkedGuest> {
    const guest = await readMarkedGuest(target);
    if (!guest) throw new Error(`vm ${target.vmid} is not on ${target.api.clusterId}/${target.node} any more`);
    return guest;
  }

  /** Takes up the journal of an interrupted run where it still holds; else starts one. */
  private async begin(): Promise<void> {
    this.source = await this.readSource();
    const previous = this.source.mark?.move;
    if (previous) {
      this.journal = previous;
      if (await this.canResume(previous)) {
        this.pace.report(`${this.request.name}: taking up the move ${previous.id} at step ${previous.step}`);
        return;
      }
      if (previous.step !== "finishing") await rollBackMove(await this.rollbackRequest(false), this.pace);
      this.source = await this.readSource();
    }
    await this.waitForOwnBackup();
    const { route, source, target } = this.request;
    const status = await source.api.qemu.getStatus(source.node, source.vmid);
    const { values } = this.source.config;
    await this.writeJournal({
      id: randomBytes(6).toString("hex"),
      target: { cluster: route.target, node: target.node },
      storage: route.store.writeStorage,
      // An earlier attempt has shut it down: it is still a guest that runs.
      wasRunning: status.status === "running" || (previous?.wasRunning ?? false),
      onBoot: values.onboot === "1",
      wasFenced: values.template === "1",
      step: "preparing",
      startedAt: previous?.startedAt ?? new Date(this.pace.nowMs()).toISOString(),
    });
  }

  /**
   * Whether the interrupted run's work is still good: the same place is wanted, and the source has stood still behind its
   * fence ever since the backup began. False: begin anew from the source.
   */
  private async canResume(previous: MoveJournal): Promise<boolean> {
    const { route, target, name, source } = this.request;
    const freed = FENCED_STEPS.has(previous.step) && !(await this.isFenced());
    if (previous.step === "finishing") {
      const sameCluster = previous.target.cluster === route.target;
      const successor =
        previous.target.vmid === undefined
          ? undefined
          : await findGuest(await this.request.apiOf(previous.target.cluster), previous.target.vmid);
      // Removed by hand: the source is what is left of the guest.
      if (!successor) return false;
      if (freed)
        throw new Error(
          `${name} may have new data on both sides: vm ${source.vmid} on ${route.source} was unfenced or started after its successor, vm ${successor.vmid} on ${previous.target.cluster}, had been started. Decide which one is right, remove the other one by hand, then run again.`,
        );
      if (!sameCluster)
        throw new Error(
          `${name} has all but arrived on ${previous.target.cluster} (vm ${successor.vmid}). Let it finish there first: allow that cluster again, run "pulumi up", then change the plan.`,
        );
      return true;
    }
    const samePlace = previous.target.cluster === route.target && previous.target.node === target.node;
    return samePlace && previous.step !== "rolling-back" && !freed;
  }

  private async isFenced(): Promise<boolean> {
    const { source } = this.request;
    if (this.source.config.values.template !== "1") return false;
    return (await source.api.qemu.getStatus(source.node, source.vmid)).status === "stopped";
  }

  private async writeJournal(journal: MoveJournal): Promise<void> {
    this.source = await writeMark(
      this.source,
      { mark: { ...this.source.mark!, phase: "moving", move: journal }, tags: withTag(tagsOf(this.source.config), MOVING_TAG) },
      this.pace,
    );
    // Only what stands on the guest counts: a refused write leaves the step, and with it the way back, as it was.
    this.journal = journal;
  }

  /** A scheduled backup may hold the guest; ours of an interrupted run too. */
  private async waitForOwnBackup(): Promise<void> {
    const upid = await findActiveTask(this.request.source, "vzdump");
    if (upid) {
      this.pace.report(`${this.request.name}: waiting for a backup that is running already`);
      await waitForTask(this.request.source.api, upid, { timeoutMs: RESTORE_TIMEOUT_MS }, this.pace);
    }
    this.source = await this.readSource();
    refuseForeignLock(this.request.source, this.source.config);
  }

  private claimMark(phase: Mark["phase"]): Mark {
    const { identity, generation, source } = this.request;
    return { ...identity, generation, phase, source: { cluster: source.api.clusterId, vmid: source.vmid } };
  }

  private async claimTarget(): Promise<GuestRef> {
    const { target, name } = this.request;
    const known = await this.findTarget();
    if (known) {
      if (known.vmid !== this.journal.target.vmid) await this.journalTarget(known);
      return known;
    }
    this.pace.report(`${name}: claiming a vmid on ${this.request.route.target}`);
    const claim = await claimGuest(
      {
        api: target.api,
        node: target.node,
        preferredVmid: this.request.source.vmid,
        vmidRange: target.vmidRange,
        params: { name, memory: 16, pool: target.pool, description: formatDescription(this.request.text, this.claimMark("claimed")) },
        isOurs: (config) => isClaimOf(config.values.description, this.request.identity),
      },
      this.pace,
    );
    await putConfig(claim, { set: { tags: withTag([identityTag(this.request.identity)], MOVING_TAG).join(";") } }, this.pace);
    await this.journalTarget(claim);
    return claim;
  }

  private journalTarget({ api, node, vmid }: GuestRef): Promise<void> {
    return this.writeJournal({ ...this.journal, target: { cluster: api.clusterId, node, vmid } });
  }

  /** The target of an interrupted run: our claim, what a failed restore left of it, or the restored guest. */
  private async findTarget(): Promise<GuestRef | undefined> {
    const { vmid } = this.journal.target;
    if (vmid === undefined) return this.findClaim();
    const found = await findGuest(this.request.target.api, vmid);
    if (!found) return this.findClaim();
    const restore = await findActiveTask(found, "qmrestore");
    if (restore) {
      this.pace.report(`${this.request.name}: a restore is still running, waiting for it`);
      // Its outcome shows in the guest's configuration, which is read next.
      await waitForTask(found.api, restore, { timeoutMs: RESTORE_TIMEOUT_MS }, this.pace).catch(() => undefined);
    }
    const guest = await readMarkedGuest(found);
    if (!guest) return this.findClaim();
    if (guest.mark && sameIdentity(guest.mark, this.request.identity)) return found;
    return isRestoreWreck(guest, found.pool, this.request.target.pool) ? found : this.findClaim();
  }

  /** A claim whose vmid did not get into the journal any more. */
  private async findClaim(): Promise<GuestRef | undefined> {
    await waitForCreates(this.request.target, this.pace);
    const owned = await findOwnedGuests(this.request.target.api, this.request.identity, this.pace);
    return owned.find(({ mark }) => mark?.phase !== "retired")?.ref;
  }

  private async stopAndFenceSource(): Promise<void> {
    const { source, shutdown, name } = this.request;
    for (let attempt = 1; ; attempt++) {
      const status = await source.api.qemu.getStatus(source.node, source.vmid);
      const fenced = this.source.config.values.template === "1";
      if (fenced && status.status === "stopped") return;
      if (attempt > 3)
        throw new Error(
          `vm ${source.vmid} on ${source.api.clusterId} is started again each time it is shut down: something else manages it. Stop that first.`,
        );
      if (status.status === "running") {
        if (this.journal.step === "preparing") await this.writeJournal({ ...this.journal, step: "stopping" });
        // First stop, then fence: `template` on a running guest would only be pending.
        this.pace.report(`${name}: shutting down on ${this.request.route.source}`);
        await shutDownGuest(source, shutdown, this.pace);
      }
      // Reversible, and the one thing that stops an accidental start, even during the backup (live finding 29).
      await putConfig(source, { set: { template: 1, onboot: 0 } }, this.pace);
      this.source = await this.readSource();
    }
  }

  private async backUp(): Promise<Volume> {
    const { source, route, name } = this.request;
    if (this.journal.step === "preparing" || this.journal.step === "stopping")
      await this.writeJournal({ ...this.journal, step: "backing-up" });
    this.pace.report(`${name}: backing up to ${route.store.name}`);
    const archive = await ensureArchive(source, route, this.journal.id, this.pace);
    this.source = await this.readSource();
    if (this.journal.step === "backing-up") await this.writeJournal({ ...this.journal, step: "backed-up", archive: archive.volid });
    return archive;
  }

  private async restore(target: GuestRef, archive: Volume): Promise<void> {
    if ((await this.readTarget(target)).mark?.phase === "restored") return;
    const { route, name, tags, text } = this.request;
    const volid = await waitUntilVisible(this.request.target, archive, this.request.source.vmid, route, this.pace);
    if (this.journal.step !== "restoring") await this.writeJournal({ ...this.journal, step: "restoring" });
    this.pace.report(`${name}: restoring on ${route.target}/${target.node}`);
    await runTask(
      target,
      {
        type: "qmrestore",
        timeoutMs: RESTORE_TIMEOUT_MS,
        isDone: async () => (await readMarkedGuest(target))?.mark?.phase === "restored",
        onLog: reportProgress(this.pace, `${name}: restoring`),
        onStarted: (restoreUpid) => this.writeJournal({ ...this.journal, restoreUpid }),
      },
      this.pace,
      () =>
        target.api.qemu.create(target.node, {
          vmid: target.vmid,
          archive: volid,
          storage: this.request.target.storage,
          // Over our own claim, or over what is left of our own restore: neither holds data.
          force: 1,
          template: 0,
          onboot: 0,
          protection: 0,
          name,
          tags: withTag(tags, MOVING_TAG).join(";"),
          description: formatDescription(text, this.claimMark("restored")),
          ...bandwidthLimit(route),
        }),
    );
    await this.freeLeftovers(target);
  }

  /** Disks of an earlier, killed restore become `unusedN` of the guest (live finding 5); an archive carries none. */
  private async freeLeftovers(target: GuestRef): Promise<void> {
    const { values } = (await this.readTarget(target)).config;
    const leftovers = Object.keys(values).filter((key) => /^unused\d+$/.test(key) && ownerVmidOf(values[key]!) === target.vmid);
    await putConfig(target, { remove: leftovers }, this.pace);
  }

  /** Once: afterwards the target is adapted and no longer equal in everything. */
  private async verify(target: GuestRef): Promise<void> {
    if (this.journal.step === "verified" || this.journal.step === "finishing") return;
    this.pace.report(`${this.request.name}: verifying`);
    verifyRestored(await this.readSource(), await this.readTarget(target));
    await this.writeJournal({ ...this.journal, step: "verified" });
  }

  private async finish(target: GuestRef): Promise<void> {
    // Written before the start: whoever reads the journal from now on must not start the source again.
    await this.writeJournal({ ...this.journal, step: "finishing" });
    if (this.request.running) await this.start(target);
    await this.settle(target);
  }

  private async start(target: GuestRef): Promise<void> {
    const { name, route } = this.request;
    this.pace.report(`${name}: starting on ${route.target}/${target.node}`);
    try {
      await startGuest(target, this.pace);
    } catch (error) {
      if (error instanceof TaskFailedError && (await this.standsStill(target)))
        await this.writeJournal({ ...this.journal, step: "verified" });
      throw error;
    }
    try {
      await this.request.waitUntilAlive(target);
    } catch (error) {
      throw new TargetNotAliveError(
        `${name} runs on ${route.target}/${target.node} as vm ${target.vmid}, but is not verified: ${messageOf(error)}. The source (vm ${this.request.source.vmid} on ${route.source}) stays stopped and fenced. Look at the guest, then run again.`,
        { cause: error },
      );
    }
  }

  /** Only a start that has failed for certain leaves the way back open: one that nobody watched may still succeed. */
  private async standsStill(target: GuestRef): Promise<boolean> {
    if (await findActiveTask(target, "qmstart")) return false;
    return (await target.api.qemu.getStatus(target.node, target.vmid)).status === "stopped";
  }

  private async settle(target: GuestRef): Promise<void> {
    const { identity, generation, source, tags, text } = this.request;
    const guest = await this.readTarget(target);
    const mark: Mark = { ...identity, generation, phase: "settled", source: { cluster: source.api.clusterId, vmid: source.vmid } };
    // Not earlier: a target that starts with its node could meet its source after a rollback.
    const set: Record<string, number> = this.request.onBoot === undefined ? {} : { onboot: this.request.onBoot ? 1 : 0 };
    await writeMark(guest, { mark, text, tags, set }, this.pace);
  }

  /** The journal stays in the mark: it names the archive that is still to be removed. */
  private async retireSource(target: GuestRef): Promise<void> {
    this.source = await this.readSource();
    const successor = { cluster: target.api.clusterId, vmid: target.vmid };
    await writeMark(this.source, { mark: { ...this.source.mark!, phase: "retired", successor } }, this.pace);
  }

  private record(target: GuestRef): MoveRecord {
    const { source } = this.request;
    return {
      id: this.journal.id,
      method: "backup-restore",
      from: { cluster: source.api.clusterId, node: source.node, vmid: source.vmid },
      to: { cluster: target.api.clusterId, node: target.node, vmid: target.vmid },
      archive: this.journal.archive ?? "",
      startedAt: this.journal.startedAt,
      finishedAt: new Date(this.pace.nowMs()).toISOString(),
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function withTag(tags: string[], tag: string): string[] {
  return [...new Set([...tags, tag])].sort();
}

function bandwidthLimit(route: Route): { bwlimit?: number } {
  // KiB/s; vzdump takes a limit only from an administrator, restore from everybody.
  return route.bitsPerSecond === undefined ? {} : { bwlimit: Math.max(1, Math.floor(route.bitsPerSecond / 8 / 1024)) };
}

function isClaimOf(description: string | undefined, identity: Identity): boolean {
  const { mark } = parseDescription(description);
  return mark !== undefined && sameIdentity(mark, identity) && (mark.phase === "claimed" || mark.phase === "restored");
}
