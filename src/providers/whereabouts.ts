/** Where a declared VM is now, and what an interrupted move has left. */
import type { ResourcePool } from "../config";
import { type Identity, identityTag, isLeftBehind, type Mark, type MoveJournal, readMarkedGuest, sameIdentity } from "../migration";
import { isOldCopy } from "../migration/failover";
import type { Placement } from "../placement";
import type { GuestRow } from "../proxmox";
import { describeHalfArrived } from "./half-arrived";
import { isMoving, type OwnedGuest, type Session, UserError } from "./session";

export interface Whereabouts {
  /** The guest that serves, or the source of an unfinished move that can still be rolled back. */
  home?: { cluster: string; row: GuestRow };
  /** An unfinished move away from home. */
  unfinished?: MoveJournal;
  /** Stopped sources of finished moves that were to be kept for a while. */
  kept?: KeptSource[];
  /** Copies on a cluster that was lost and is back, of a guest that was restored elsewhere. */
  outdated?: OldCopy[];
  /** Why home is no guest to go on with: what it came from cannot be seen. */
  halfArrived?: string;
}

export interface OldCopy {
  cluster: string;
  node: string;
  vmid: number;
  /** Whether an update has stopped and fenced it already. */
  fenced: boolean;
  /** ISO time; of a fenced one. */
  since?: string;
}

export interface KeptSource {
  cluster: string;
  vmid: number;
  /** ISO time. */
  until: string;
}

export async function findWhereabouts(session: Session, identity: Identity): Promise<Whereabouts> {
  const owned = await session.ownedGuests(identity);
  if (owned.length === 0) return {};
  const [only] = owned;
  if (owned.length === 1 && only && isAtRest(identity, only.row)) return { home: only };
  // Only now journals are read: a federation at rest is planned from the lists alone.
  const marked = await Promise.all(owned.map(async (guest) => ({ guest, mark: await markOf(session, guest, identity) })));
  const serving = marked.filter(({ mark }) => mark?.phase === "settled" || mark?.phase === "moving");
  const marks = marked.map(({ mark }) => mark);
  const source = serving.find(({ mark }) => mark?.phase === "moving" && !isLeftBehind({ mark }, marks));
  // Nobody is given a disk's target before its source is retired: until then the move can be undone, however far it has come.
  if (source && identity.kind === "disk") return { home: source.guest, unfinished: source.mark!.move };
  const settled = serving.filter(({ mark }) => mark?.phase === "settled");
  const outdated = findOutdated(marked);
  const current = settled.filter(
    ({ guest }) => !outdated.some(({ cluster, vmid }) => cluster === guest.cluster && vmid === guest.row.vmid),
  );
  if (current.length > 1)
    throw new UserError(
      describeTwins(
        identity,
        current.map(({ guest }) => guest),
      ),
    );
  if (current[0]) {
    const successor = marked.find(({ guest }) => guest === current[0]!.guest)!.mark!;
    const kept = marked.flatMap(({ guest, mark }) => keptSourceOf(guest, mark, successor));
    return { home: current[0].guest, ...(kept.length > 0 ? { kept } : {}), ...(outdated.length > 0 ? { outdated } : {}) };
  }
  if (source) return finishingHome(marked, source.guest, source.mark!) ?? { home: source.guest, unfinished: source.mark!.move };
  const remains = marked.find(({ mark }) => mark !== undefined && mark.phase !== "retired");
  if (!remains) return {};
  const { cluster, row } = remains.guest;
  const halfArrived = describeHalfArrived(identity, { cluster, vmid: row.vmid }, remains.mark!);
  return { home: remains.guest, ...(halfArrived === undefined ? {} : { halfArrived }) };
}

/**
 * Told from the list alone. A VM behind a fence may be the retired source of one that is out of sight, and a guest without our tag
 * the claim of a move that was killed before it was tagged.
 */
function isAtRest(identity: Identity, row: GuestRow): boolean {
  return !isMoving(row) && !(identity.kind === "vm" && row.template) && row.tags.includes(identityTag(identity));
}

function findOutdated(marked: { guest: OwnedGuest; mark: Mark | undefined }[]): OldCopy[] {
  return marked.flatMap(({ guest: { cluster, row }, mark }): OldCopy[] => {
    if (!mark) return [];
    const at = { cluster, vmid: row.vmid };
    if (mark.phase === "retired" && mark.outdatedSince !== undefined)
      return [{ ...at, node: row.node, fenced: true, since: mark.outdatedSince }];
    const isOld = marked.some((other) => other.mark !== undefined && isOldCopy({ at, mark }, other.mark));
    return isOld ? [{ ...at, node: row.node, fenced: false }] : [];
  });
}

function keptSourceOf({ cluster, row }: OwnedGuest, mark: Mark | undefined, successor: Mark): KeptSource[] {
  // Unlocked by an administrator: the source of a remote migration can be removed now, or when its time is over.
  if (isLeftBehind({ mark }, [successor]) && row.lock === undefined) {
    const sinceMs = Date.parse(successor.lastMove?.at ?? "1970-01-01");
    return [{ cluster, vmid: row.vmid, until: new Date(sinceMs + (mark?.move?.keepMs ?? 0)).toISOString() }];
  }
  return mark?.phase === "retired" && mark.keepUntil !== undefined ? [{ cluster, vmid: row.vmid, until: mark.keepUntil }] : [];
}

/** What the next update removes, for the preview; `undefined`: nothing. */
export function describeExpired({ kept = [] }: Whereabouts, nowMs: number): string | undefined {
  const expired = kept.filter(({ until }) => Date.parse(until) <= nowMs);
  if (expired.length === 0) return undefined;
  return expired.map(({ cluster, vmid, until }) => `the former vm ${vmid} on ${cluster}, kept until ${until}, is removed`).join("; ");
}

/** Its live place, as placement takes it; which storages its disks are on is not looked at. */
export function priorOf(here: Whereabouts): Placement | undefined {
  return here.home && { cluster: here.home.cluster, node: here.home.row.node, storages: [] };
}

/** A cluster of the pool does not answer: what is not found may be there. */
export async function anyUnreachable(session: Session, pool: ResourcePool): Promise<boolean> {
  const { clusters } = await session.snapshot();
  return pool.clusters.some((id) => clusters.get(id)?.reachable === false);
}

/** A target that may have run is home, whatever the program says: the source is older by then. */
function finishingHome(marked: { guest: OwnedGuest; mark: Mark | undefined }[], source: OwnedGuest, mark: Mark): Whereabouts | undefined {
  if (mark.move?.step !== "finishing") return undefined;
  const target = marked.find(
    ({ guest }) => guest !== source && guest.cluster === mark.move?.target.cluster && guest.row.vmid === mark.move.target.vmid,
  );
  // Whether a live restore has arrived, only its task tells: the source may have to be started again.
  if (mark.move.live && target?.mark?.phase === "claimed") return undefined;
  return target && { home: target.guest, unfinished: mark.move };
}

async function markOf(session: Session, owned: OwnedGuest, identity: Identity): Promise<Mark | undefined> {
  const api = await session.client(owned.cluster);
  const guest = await readMarkedGuest({ api, node: owned.row.node, vmid: owned.row.vmid });
  return guest?.mark && sameIdentity(guest.mark, identity) ? guest.mark : undefined;
}

function describeTwins(identity: Identity, guests: OwnedGuest[]): string {
  const places = guests.map(({ cluster, row }) => `vm ${row.vmid} on ${cluster}/${row.node}`).join(" and ");
  return `Two guests carry the mark of ${identity.name}: ${places}. One was probably cloned by hand. Remove the proxmox-federation block from the description and the fed- tag of the copy, then run again.`;
}
