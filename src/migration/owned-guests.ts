/** Finding the guests of one identity on a cluster, half-made ones included. */
import { type GuestRow, type ProxmoxApi, type ResourceRow, TaskFailedError } from "../proxmox";
import { type Identity, identityTag, isIdentityTag, sameIdentity } from "./mark";
import { type MarkedGuest, readMarkedGuest } from "./marked-guest";
import { findActiveTask, type GuestRef, type Pace, waitForTask } from "./operations";

/**
 * A create that was interrupted before its tags were set shows only in the description. Such a guest stands still in a
 * pool; reading those few descriptions keeps the search cheap.
 */
export function mayBeUnfinished(row: GuestRow): boolean {
  return row.guestType === "qemu" && row.pool !== undefined && row.status !== "running" && !row.tags.some(isIdentityTag);
}

/** Nodes that do not answer for their guests. */
export function offlineNodes(rows: readonly ResourceRow[]): ReadonlySet<string> {
  return new Set(rows.flatMap((row) => (row.kind === "node" && row.status !== "online" ? [row.node] : [])));
}

/**
 * Asks the cluster anew.
 * @param options `skipOffline`: what cannot be told because its node is down counts as somebody else's; guests with the tag never do
 */
export async function findOwnedGuests(
  api: ProxmoxApi,
  identity: Identity,
  pace: Pace,
  options: { skipOffline?: boolean } = {},
): Promise<MarkedGuest[]> {
  const tag = identityTag(identity);
  const found: MarkedGuest[] = [];
  const rows = await api.listResources();
  const offline = options.skipOffline ? offlineNodes(rows) : new Set<string>();
  for (const row of rows) {
    if (row.kind !== "guest") continue;
    if (!row.tags.includes(tag) && (!mayBeUnfinished(row) || offline.has(row.node))) continue;
    const guest = await readWhenCreated({ api, node: row.node, vmid: row.vmid }, pace);
    if (guest?.mark && sameIdentity(guest.mark, identity)) found.push(guest);
  }
  return found;
}

/** A guest of ours under creation is in no pool yet, and a token with rights from the pool does not see it: its task it does. */
export async function waitForCreates({ api, node }: { api: ProxmoxApi; node: string }, pace: Pace): Promise<void> {
  for (const task of await api.tasks.list(node, { typeFilter: "qmcreate", source: "active" })) {
    if (task.status !== "running" || task.type !== "qmcreate") continue;
    if (task.id !== "") await waitUntilCreated({ api, node, vmid: Number(task.id) }, pace);
  }
}

/** A guest under creation has no description yet: whose it is shows when its task has ended. */
async function readWhenCreated(ref: GuestRef, pace: Pace): Promise<MarkedGuest | undefined> {
  const guest = await readMarkedGuest(ref);
  if (guest?.config.values.lock !== "create") return guest;
  await waitUntilCreated(ref, pace);
  return readMarkedGuest(ref);
}

/** Waits for the create of a guest, however it ends: a failed one has removed the guest. */
export async function waitUntilCreated(ref: GuestRef, pace: Pace): Promise<void> {
  const upid = await findActiveTask(ref, "qmcreate");
  if (!upid) return;
  try {
    await waitForTask(ref.api, upid, {}, pace);
  } catch (error) {
    if (!(error instanceof TaskFailedError)) throw error;
  }
}
