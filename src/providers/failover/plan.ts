/** Planning a failover: which backup of a guest whose cluster is lost is restored where. The lost cluster is never contacted. */
import { type Cluster, roundedDuration, roundedSize } from "../../config";
import { dataDrivesOf, type FailoverNote, type Identity, identityTag, type Membership, readMarkedGuest } from "../../migration";
import { findNewestBackup, type GuestBackup, storagesWithArchivesOf } from "../../migration/failover";
import type { Session } from "../session";
import type { Whereabouts } from "../whereabouts";
import { type PlannedMembership, planMembership } from "./membership";

/** What the state says of a guest that was on a cluster that is lost. */
export interface LostHome {
  cluster: Cluster;
  /** Absent where the state does not hold it. */
  vmid?: number;
  /** HA and replication as the last update has seen them. */
  membership?: Membership;
}

/** `failover` as it shows in `pulumi preview --diff`. */
export interface FailoverSummary {
  from: string;
  to: string;
  /** Volid at the target, size and store. */
  backup: string;
  /** When the backup was made: later writes are lost. */
  data: string;
  downtime: string;
  /** HA and replication, where the VM had any. */
  membership?: string;
  /** What becomes of the copy on the lost cluster. */
  oldCopy: string;
}

export interface FailoverPlan {
  note: FailoverNote;
  generation: number;
  /** To be set up again. */
  membership?: PlannedMembership;
}

export type PlannedFailover = { plan: FailoverPlan; summary: FailoverSummary } | { failure: string };

interface Remembered {
  placement: { cluster: string };
  __live?: { cluster: string; vmid: number };
  __membership?: Membership;
}

/**
 * The lost home of a guest; `undefined` when it has none. The engine checks a replacement a second time without the old
 * inputs, so what the first check knew is kept for the run.
 */
export async function findLostHome(
  session: Session,
  identity: Identity,
  here: Whereabouts,
  before: Remembered | undefined,
): Promise<LostHome | undefined> {
  const { clusters } = await session.federation();
  const lost = clusters.find(({ id, status }) => id === before?.placement.cluster && status === "lost");
  const vmid = before?.__live?.cluster === lost?.id ? before?.__live?.vmid : undefined;
  const known = await session.once(
    `lost home of ${identityTag(identity)}`,
    async (): Promise<LostHome | undefined> =>
      lost
        ? { cluster: lost, ...(vmid === undefined ? {} : { vmid }), ...(before?.__membership ? { membership: before.__membership } : {}) }
        : undefined,
  );
  if (!known || !here.home) return known;
  // Restored already by an interrupted run, or moved away in time: then it is home.
  const { mark } = await readHome(session, here.home);
  return mark?.phase === "settled" && mark.failover?.from.cluster !== known.cluster.id ? undefined : known;
}

async function readHome(session: Session, { cluster, row }: NonNullable<Whereabouts["home"]>) {
  const api = await session.client(cluster);
  return (await readMarkedGuest({ api, node: row.node, vmid: row.vmid })) ?? { mark: undefined };
}

export interface FailoverIntent {
  /** `VM web-1`. */
  what: string;
  identity: Identity;
  lost: LostHome;
  here: Whereabouts;
  placement: { cluster: string; node: string; storages: readonly string[] };
  /** Proxmox pool. */
  pool: string;
  /** Declared data disks: each has to be in the backup. */
  slots: readonly string[];
  /** Why a backup may not hold together, and in whose hands its data was; `undefined` when it does. Default: all do. */
  doubt?: (backup: GuestBackup) => string | undefined;
}

export async function planFailover(session: Session, intent: FailoverIntent): Promise<PlannedFailover> {
  const { what, identity, lost, here, placement, slots } = intent;
  const { id } = lost.cluster;
  const where = `${what} was on ${id}, which is declared lost, and goes to ${placement.cluster}/${placement.node}`;
  if (lost.cluster.fenced !== true)
    return {
      failure: `${where}, but ${id} is not declared fenced: its copy there may still be running, and both would use the same addresses and data. Make sure that it cannot run any more (power off, or cut from network and storage), then set "fenced: true" beside "status: lost" in federation.yaml`,
    };
  const mark = here.home && (await readHome(session, here.home)).mark;
  // An old copy of an earlier failover is nothing that was begun.
  const begun = mark?.phase === "retired" ? undefined : mark;
  if (begun && begun.failover === undefined)
    return {
      failure: `${where}, but its move away from ${id} was under way: vm ${here.home?.row.vmid} on ${here.home?.cluster} is what has arrived of it (phase ${begun.phase}). Bring ${id} back to finish the move, or remove that guest by hand to restore the newest backup`,
    };
  const { backupStores, failover } = await session.federation();
  const places = storagesWithArchivesOf(backupStores, id, placement.cluster);
  if (places.length === 0)
    return {
      failure: `${where}, but no backup store shows ${placement.cluster} the backups of ${id}: give a store of backup_stores the storage id under which ${placement.cluster} sees them (storages.${placement.cluster}.from.${id})`,
    };
  const reader = { api: await session.client(placement.cluster), node: placement.node };
  const find = (sound: boolean) =>
    session.once(`${sound ? "sound backup" : "backup"} of ${identityTag(identity)} on ${placement.cluster}`, () =>
      findNewestBackup(reader, places, identity, lost.vmid, (backup) => !sound || intent.doubt?.(backup) === undefined),
    );
  const newest = await find(false);
  const doubt = newest && intent.doubt?.(newest);
  if (newest && doubt !== undefined && !begun && session.diskBackups === undefined)
    return {
      failure: `${where}, but its newest backup, ${describeMade(newest)}, may be torn: ${doubt}. ${describeChoice(await find(true))}`,
    };
  const found = intent.doubt && session.diskBackups === "consistent" ? await find(true) : newest;
  if (newest && !found)
    return { failure: `${where}, but none of its backups is known to be consistent; of the newest, ${describeMade(newest)}: ${doubt}` };
  if (!found)
    return {
      failure: `${where}, but no backup with its mark is found on ${places.map(({ storage }) => storage).join(", ")} of ${placement.cluster}. Was it ever backed up to ${places.map(({ store }) => store).join(", ")}? The token needs Datastore.AllocateSpace on the storage and VM.Backup on ${lost.vmid === undefined ? "/vms" : `/vms/${lost.vmid}`} to see backups. To begin anew without its data: pulumi state delete`,
    };
  // Both checks of a replacement count from one instant.
  const nowMs = await session.once(
    `instant of failover ${identityTag(identity)}`,
    async () => (await session.inventory()).instantMs ?? session.pace.nowMs(),
  );
  const ageMs = Math.max(0, nowMs - found.volume.createdAtSeconds * 1000);
  if (!begun && failover?.maxAgeMs !== undefined && ageMs > failover.maxAgeMs)
    return {
      failure: `${where}, but its newest backup, ${found.volume.volid}, is ${roundedDuration(ageMs)} old, more than failover.max_age (${roundedDuration(failover.maxAgeMs)}). Raise max_age to accept the loss, or bring ${id} back`,
    };
  const held = new Set(dataDrivesOf(found.config).map(({ slot }) => slot));
  const lacking = slots.filter((slot) => !held.has(slot));
  if (lacking.length > 0)
    return {
      failure: `${where}, but its newest backup, ${found.volume.volid}, does not hold ${lacking.join(", ")}: the disk would come back empty. Declare the VM without it first`,
    };
  const planned = describe(intent, found, nowMs, ageMs);
  if (!lost.membership) return planned;
  const { plan: membership, summary } = await planMembership(session, planned.plan.note.from, intent.pool, placement, lost.membership);
  return {
    plan: { ...planned.plan, ...(membership ? { membership } : {}) },
    summary: { ...planned.summary, membership: summary },
  };
}

function describeMade({ volume }: GuestBackup): string {
  return `${volume.volid} of ${new Date(volume.createdAtSeconds * 1000).toISOString()}`;
}

/** What an operator may decide about a disk whose newest backup is in doubt. */
function describeChoice(sound: GuestBackup | undefined): string {
  const newest = `To restore it nevertheless (its file system is then as after a crash at best, and needs a check): pulumi config set proxmox-federation:diskBackups newest`;
  if (!sound) return `No other one is known to be consistent. ${newest}`;
  return `${newest}. To go back to ${describeMade(sound)}, which is consistent: pulumi config set proxmox-federation:diskBackups consistent`;
}

function describe(intent: FailoverIntent, found: GuestBackup, nowMs: number, ageMs: number): Exclude<PlannedFailover, { failure: string }> {
  const { identity, lost, placement } = intent;
  const { volume, store, mark, config } = found;
  const doubt = intent.doubt?.(found);
  const from = { cluster: lost.cluster.id, vmid: lost.vmid ?? volume.vmid };
  const backedUpAt = new Date(volume.createdAtSeconds * 1000).toISOString();
  const diskBytes = dataDrivesOf(config).reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0);
  return {
    // The backup may be older than moves and failovers since, which nobody can be asked about: seconds outnumber them all.
    plan: { note: { from, archive: volume.volid, backedUpAt }, generation: Math.max(mark.generation + 1, Math.floor(nowMs / 1000)) },
    summary: {
      from: `${from.cluster} (vm ${from.vmid}), lost and fenced`,
      to: `${placement.cluster}/${placement.node}`,
      backup: `${volume.volid} in store ${store}, ${roundedSize(volume.sizeBytes)}`,
      data: `as of ${backedUpAt}, ${roundedDuration(ageMs)} old: what was written later is not in it${doubt === undefined ? "" : `; may be torn: ${doubt}`}`,
      downtime: `until ${roundedSize(diskBytes)} are restored${identity.kind === "vm" ? " and the VM has started" : ""}`,
      oldCopy: `stays on ${from.cluster}, outdated; it is fenced by the first update after ${from.cluster} is back`,
    },
  };
}
