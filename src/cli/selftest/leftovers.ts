/** What a test has left: guests with its marks, and volumes that were not there before it. */
import { type GuestRef, isRestoreWreck, type MarkedGuest, readMarkedGuest } from "../../migration";
import { destroyWithArchives } from "../../providers/predecessors";
import type { Session } from "../../providers/session";
import { destroyUnfinishedTarget } from "../../providers/unfinished-target";
import { isProxmoxError, type ProxmoxApi } from "../../proxmox";
import { UsageError } from "../failure";
import { type Settings, testIdentity } from "./settings";

/** The guests of this test's identities on one cluster, asked anew. */
export async function findTestGuests(session: Session, settings: Settings, cluster: string): Promise<MarkedGuest[]> {
  const federation = await session.federation();
  const found: MarkedGuest[] = [];
  for (const origin of settings.origins) found.push(...(await session.ownedGuestsNow(testIdentity(federation, settings, origin), cluster)));
  return found;
}

/** Destroys them, what their moves have made elsewhere, and the archives of those moves. @returns what was there */
export async function removeTestGuests(session: Session, settings: Settings, cluster: string): Promise<string[]> {
  const removed: string[] = [];
  for (const guest of await findTestGuests(session, settings, cluster)) {
    const { mark, ref } = guest;
    if (!mark) continue;
    const target = mark.phase === "moving" ? mark.move?.target.cluster : undefined;
    if (target !== undefined && !settings.clusters.includes(target))
      throw new UsageError(
        `vm ${ref.vmid} of an interrupted test was on its way to ${target}: test that cluster too (--cluster ${target}), so that both ends can be removed.`,
      );
    if (target !== undefined) await destroyUnfinishedTarget(session, mark, guest, settings.pool);
    await destroyWithArchives(session, mark, guest);
    removed.push(`vm ${ref.vmid}`);
  }
  return removed;
}

/** Volids before the test; `undefined` for a storage that could not be listed. */
export type Volumes = Map<string, Set<string> | undefined>;

export interface Place {
  node: string;
  storage: string;
  content: "images" | "backup";
}

export async function listVolumes(api: ProxmoxApi, places: readonly Place[], vmids?: ReadonlySet<number>): Promise<Volumes> {
  const volumes: Volumes = new Map();
  for (const place of places) volumes.set(keyOf(place), await volidsOf(api, place, vmids));
  return volumes;
}

function keyOf({ node, storage, content }: Place): string {
  return `${content} of storage ${storage} on ${node}`;
}

async function volidsOf(api: ProxmoxApi, { node, storage, content }: Place, vmids?: ReadonlySet<number>): Promise<Set<string> | undefined> {
  try {
    const found = await api.storage.listContent(node, storage, { content });
    return new Set(found.filter(({ vmid }) => vmids === undefined || (vmid !== undefined && vmids.has(vmid))).map(({ volid }) => volid));
  } catch (error) {
    // A storage that is down or hidden: nobody can tell what is on it, and the report says so.
    if (isProxmoxError(error)) return undefined;
    throw error;
  }
}

export interface VolumeChanges {
  /** Volids that are new. */
  left: string[];
  /** Places that could not be compared. */
  unknown: string[];
}

export function compareVolumes(before: Volumes, after: Volumes): VolumeChanges {
  const left = new Set<string>();
  const unknown: string[] = [];
  for (const [place, now] of after) {
    const then = before.get(place);
    if (now === undefined || then === undefined) unknown.push(place);
    else for (const volid of now) if (!then.has(volid)) left.add(volid);
  }
  return { left: [...left], unknown };
}

/** A failed restore has neither mark nor name: only a claim's pool and emptiness tell it, and only under a vmid of the test. */
export async function findWrecks(session: Session, settings: Settings, cluster: string, vmids: ReadonlySet<number>): Promise<GuestRef[]> {
  const wrecks: GuestRef[] = [];
  for (const vmid of vmids) {
    const ref = await session.locate(cluster, vmid);
    const guest = ref && (await readMarkedGuest(ref));
    if (guest && isRestoreWreck(guest, ref.row.pool, settings.pool)) wrecks.push(ref);
  }
  return wrecks;
}
