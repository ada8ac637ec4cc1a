/**
 * Sources that their finished move could not retire: those of remote migrations, stopped, and locked until an administrator unlocks
 * them; and those whose cluster was out of sight when the target was taken over. They are left alone till then, and removed by the
 * first update afterwards.
 */
import {
  describeIdentity,
  describeSealed,
  type Identity,
  isLeftBehind,
  isRemote,
  type MarkedGuest,
  readMarkedGuest,
  SEALED_FENCE,
  sameIdentity,
  writeMark,
} from "../migration";
import { otherGuests } from "./other-guests";
import { type Session, UserError } from "./session";

/** Those of an identity; `successor` is the guest that came of them. */
export async function findSealed(session: Session, identity: Identity, successor: MarkedGuest): Promise<MarkedGuest[]> {
  return (await otherGuests(session, identity, successor)).filter((guest) => isLeftBehind(guest, [successor.mark]));
}

/** The settled guest of a later generation: what has become of a source that may not be taken for an unfinished one. */
export async function findSuccessor(session: Session, identity: Identity, guest: MarkedGuest): Promise<MarkedGuest | undefined> {
  const target = guest.mark?.phase === "moving" ? guest.mark.move?.target : undefined;
  if (!target) return undefined;
  // This run may have made it: then the first look does not know it.
  const known = (await session.ownedGuests(identity)).map(({ cluster, row }) => ({ cluster, vmid: row.vmid }));
  const made = target.vmid === undefined ? [] : [{ cluster: target.cluster, vmid: target.vmid }];
  for (const { cluster, vmid } of [...made, ...known]) {
    const ref = await session.locate(cluster, vmid);
    const other = ref && (await readMarkedGuest(ref));
    if (other?.mark && sameIdentity(other.mark, identity) && isLeftBehind(guest, [other.mark])) return other;
  }
  return undefined;
}

/** A running successor may be what a source at this step has become: nobody but the move itself may tell. */
export function refuseUnsettled(identity: Identity, { mark, ref }: MarkedGuest): void {
  if (mark?.phase !== "moving" || mark.move?.step !== "finishing" || !isRemote({ method: mark.move.method ?? "backup-restore" })) return;
  const { cluster, vmid } = mark.move.target;
  throw new UserError(
    `${describeIdentity(identity)} is not destroyed: its move from ${ref.api.clusterId} (vm ${ref.vmid}) to ${cluster} (vm ${vmid}) is not finished. Run "pulumi up" to finish it, then destroy.`,
  );
}

/** When an unlocked one may go: after the time that it was to be kept. */
export function keptUntilMs({ mark }: MarkedGuest, successor: MarkedGuest): number {
  const keepMs = mark?.move?.keepMs ?? 0;
  return keepMs === 0 ? 0 : Date.parse(successor.mark?.lastMove?.at ?? "") + keepMs;
}

/**
 * Makes a retired source of one that an administrator has unlocked, fenced as others are.
 * @returns undefined while it is locked or is to be kept: it says so.
 */
export async function retireSealed(session: Session, guest: MarkedGuest, successor: MarkedGuest): Promise<MarkedGuest | undefined> {
  const { ref, mark, config } = guest;
  if (config.values.lock !== undefined) {
    session.pace.report(describeSealed(mark!.name, ref));
    return undefined;
  }
  const { status } = await ref.api.qemu.getStatus(ref.node, ref.vmid);
  const isFenced = isRemote({ method: mark?.move?.method ?? "backup-restore" }) || config.values.template === "1";
  if (status !== "stopped" || !isFenced)
    throw new UserError(
      `${describeIdentity(mark!)}: its former vm ${ref.vmid} on ${ref.api.clusterId}/${ref.node} was unlocked or unfenced and ${status === "stopped" ? "may have run" : "runs"}, beside its successor (vm ${successor.ref.vmid} on ${successor.ref.api.clusterId}). Decide which one is right. If it is the successor, stop the former one and run "qm set ${ref.vmid} --template 1" on node ${ref.node}; then run again.`,
    );
  const untilMs = keptUntilMs(guest, successor);
  const address = { cluster: successor.ref.api.clusterId, vmid: successor.ref.vmid };
  return writeMark(
    guest,
    {
      mark: {
        ...mark!,
        phase: "retired",
        successor: address,
        ...(untilMs > 0 && !session.overrideKeepSource ? { keepUntil: new Date(untilMs).toISOString() } : {}),
      },
      set: SEALED_FENCE,
    },
    session.pace,
  );
}

/** Without its successor nobody would remove it any more. */
export async function refuseSealed(session: Session, identity: Identity, successor: MarkedGuest): Promise<void> {
  const [locked] = (await findSealed(session, identity, successor)).filter(({ config }) => config.values.lock !== undefined);
  if (locked)
    throw new UserError(
      `${describeIdentity(identity)} is not destroyed yet. ${describeSealed(identity.name, locked.ref)}; until then nobody else would.`,
    );
}
