/** Old copies of a failed-over guest on a cluster that is back: what the preview says, and what the update does with them. */
import { type Identity, type Mark, type MarkedGuest, readMarkedGuest } from "../../migration";
import { describeTwoRunning, fenceOldCopy, isOldCopy } from "../../migration/failover";
import { otherGuests } from "../other-guests";
import { destroyWithArchives } from "../predecessors";
import { type Session, UserError } from "../session";
import type { OldCopy, Whereabouts } from "../whereabouts";

/**
 * What the next update does with them, for the preview; `refusal` when it may not. One that may still be used must be fenced
 * before its successor moves on.
 * @param what `VM web-1`
 */
export async function planOldCopies(
  session: Session,
  what: string,
  { home, outdated = [] }: Whereabouts,
  placement: { cluster: string },
): Promise<{ cleanup?: string; refusal?: string }> {
  if (!home) return {};
  const old = await planEach(session, what, outdated, { cluster: home.cluster, vmid: home.row.vmid });
  if (old.refusal !== undefined || home.cluster === placement.cluster || outdated.every(({ fenced }) => fenced)) return old;
  const where = outdated.map(({ cluster }) => cluster).join(", ");
  return {
    refusal: `${what} must leave ${home.cluster} for ${placement.cluster}, but its old copy on ${where} is not fenced yet. Keep it on ${home.cluster} (pin) for one update, which fences the copy`,
  };
}

async function planEach(
  session: Session,
  subject: string,
  copies: readonly OldCopy[],
  successor: { cluster: string; vmid: number },
): Promise<{ cleanup?: string; refusal?: string }> {
  const steps: string[] = [];
  for (const { cluster: id, vmid, node, fenced, since } of copies) {
    const cluster = await session.cluster(id);
    const what = `the outdated vm ${vmid} on ${id}`;
    if (fenced && !session.removeFailedOverCopies) continue;
    const running = (await (await session.client(id)).qemu.getStatus(node, vmid)).status === "running";
    if (fenced && running)
      return {
        refusal: `${subject}: ${what} was to be removed, but somebody has started it again, and it may hold newer data. Shut it down and fence it ("qm set ${vmid} --template 1" on node ${node}) when nobody needs it, or take removeFailedOverCopies back`,
      };
    if (fenced) {
      steps.push(`${what}, outdated since ${since ?? "its cluster was lost"}, is removed`);
      continue;
    }
    if (running && cluster.returned !== "stop-old-copies")
      return { refusal: describeTwoRunning(subject, { cluster: id, vmid }, successor) };
    steps.push(
      `${what} is ${running ? "shut down, " : ""}fenced and kept; a later update with proxmox-federation:removeFailedOverCopies removes it`,
    );
  }
  return steps.length === 0 ? {} : { cleanup: steps.join("; ") };
}

/**
 * Fences every old copy that is reachable; removes those fenced earlier where the stack's configuration says so. Safe to repeat.
 * @param beforeRemoval of a copy, for what must not outlast it
 */
export async function settleOldCopies(
  session: Session,
  identity: Identity,
  successor: MarkedGuest,
  shutdown: { timeoutSeconds: number; force: boolean },
  beforeRemoval: (old: MarkedGuest) => Promise<void> = async () => undefined,
): Promise<void> {
  const at = { cluster: successor.ref.api.clusterId, vmid: successor.ref.vmid };
  const { mark } = successor;
  if (!mark) return;
  for (const old of await findOldCopies(session, identity, successor)) {
    if (old.mark.phase !== "retired") {
      const { returned } = await session.cluster(old.ref.api.clusterId);
      await fenceOldCopy(old, at, returned === "stop-old-copies", shutdown, session.pace);
    } else if (session.removeFailedOverCopies) {
      await beforeRemoval(old);
      await destroyWithArchives(session, identity, old);
    }
  }
}

/** The delete of a replacement that was interrupted while the cluster was lost finds the copy there: it is not its to remove. */
export async function leaveOldCopy(session: Session, identity: Identity, guest: MarkedGuest & { mark?: Mark }): Promise<boolean> {
  const { mark, ref } = guest;
  if (!mark || !(await isOutdated(session, identity, ref, mark)) || session.removeFailedOverCopies) return false;
  session.pace.report(
    `${identity.name}: the outdated vm ${ref.vmid} on ${ref.api.clusterId} stays; an update with proxmox-federation:removeFailedOverCopies removes it`,
  );
  return true;
}

async function isOutdated(session: Session, identity: Identity, ref: MarkedGuest["ref"], mark: Mark): Promise<boolean> {
  if (mark.outdatedSince !== undefined) return true;
  const at = { cluster: ref.api.clusterId, vmid: ref.vmid };
  for (const owned of await session.ownedGuests(identity)) {
    const found = await session.locate(owned.cluster, owned.row.vmid);
    const other = found && (await readMarkedGuest(found));
    if (other?.mark && isOldCopy({ at, mark }, other.mark)) return true;
  }
  return false;
}

/** A failed-over guest takes its old copies along only when the stack's configuration says so. */
export async function refuseOldCopies(session: Session, identity: Identity, successor: MarkedGuest): Promise<void> {
  const [old] = await findOldCopies(session, identity, successor);
  if (!old || session.removeFailedOverCopies) return;
  throw new UserError(
    `${identity.name} is not destroyed: its old copy, vm ${old.ref.vmid} on ${old.ref.api.clusterId}, holds what was written after the backup it was restored from, and nobody would look after it. To give it up: pulumi config set proxmox-federation:removeFailedOverCopies true`,
  );
}

async function findOldCopies(session: Session, identity: Identity, successor: MarkedGuest): Promise<(MarkedGuest & { mark: Mark })[]> {
  return (await otherGuests(session, identity, successor)).filter(({ ref, mark }) => {
    const isFenced = mark.phase === "retired" && mark.outdatedSince !== undefined;
    const at = { cluster: ref.api.clusterId, vmid: ref.vmid };
    return isFenced || (successor.mark !== undefined && isOldCopy({ at, mark }, successor.mark));
  });
}
