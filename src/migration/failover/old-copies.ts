/** Copies left on a cluster that was lost and is back: kept stopped, fenced, and never taken for the guest. */
import { type GuestAddress, type Mark, sameIdentity } from "../mark";
import { type MarkedGuest, writeMark } from "../marked-guest";
import { isRunning, type Pace, refuseForeignLock, shutDownGuest } from "../operations";

/** Whether the one was restored from a backup of the other, and is younger. Both proofs are needed. Pure. */
export function isOldCopy(old: { at: GuestAddress; mark: Mark }, successor: Mark): boolean {
  const { failover } = successor;
  return (
    successor.phase === "settled" &&
    failover !== undefined &&
    failover.from.cluster === old.at.cluster &&
    failover.from.vmid === old.at.vmid &&
    sameIdentity(old.mark, successor) &&
    old.mark.generation < successor.generation
  );
}

/**
 * Makes sure that an old copy is stopped and stays so: `template=1` (live finding 29), no start with its node, and a mark that
 * says what it is. Its data stays: what the guest wrote after the backup is nowhere else. Safe to repeat.
 * @param mayStop whether a running one is shut down; otherwise it is an error
 */
export async function fenceOldCopy(
  old: MarkedGuest & { mark: Mark },
  successor: GuestAddress,
  mayStop: boolean,
  shutdown: { timeoutSeconds: number; force: boolean },
  pace: Pace,
): Promise<void> {
  const { ref, mark } = old;
  refuseForeignLock(ref, old.config);
  if (await isRunning(ref)) {
    if (!mayStop) throw new Error(describeTwoRunning(mark.name, { cluster: ref.api.clusterId, vmid: ref.vmid }, successor));
    pace.report(`${mark.name}: shutting down the outdated vm ${ref.vmid} on ${ref.api.clusterId}`);
    await shutDownGuest(ref, shutdown, pace);
  }
  const { move: _abandoned, ...kept } = mark;
  await writeMark(
    old,
    {
      mark: { ...kept, phase: "retired", successor, outdatedSince: mark.outdatedSince ?? new Date(pace.nowMs()).toISOString() },
      set: { template: 1, onboot: 0 },
    },
    pace,
  );
}

export function describeTwoRunning(name: string, old: GuestAddress, successor: GuestAddress): string {
  return `${name} RUNS TWICE: as vm ${successor.vmid} on ${successor.cluster}, restored from a backup, and as its old copy, vm ${old.vmid} on ${old.cluster}, which is back. Nothing was changed. Shut the old copy down by hand, or set "returned: stop-old-copies" on cluster ${old.cluster} in federation.yaml and run again`;
}
