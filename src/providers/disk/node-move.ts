/**
 * Moving a disk to another node of its cluster: Proxmox migrates the stopped owner, copies its local disk and frees the
 * source only when the copy is complete. Fence and protection stay, and the volume keeps its name (live findings 19, 24).
 */
import { formatSize } from "../../config";
import { type GuestRef, type Identity, type MarkedGuest, type MigrationSummary, runTask } from "../../migration";
import { type Session, UserError } from "../session";
import { awaitTasks } from "../tasks-under-way";
import { requireOwner } from "./create";

/** Volumes of terabytes over thin lines: as long as it takes, but not for ever. */
const COPY_TIMEOUT_MS = 72 * 3600 * 1000;

/** Safe to repeat: does nothing when the owner is there already. */
export async function moveToNode(session: Session, owner: GuestRef, node: string, name: string): Promise<MarkedGuest> {
  const { clusterId } = owner.api;
  const here = await requireGuest(session, clusterId, owner.vmid, name);
  if (here.node === node) return requireOwner(here);
  session.pace.report(`${name}: moving its disk from ${clusterId}/${here.node} to ${node}`);
  const hasArrived = async () => (await session.locate(clusterId, owner.vmid))?.node === node;
  await runTask(here, { type: "qmigrate", isDone: hasArrived, timeoutMs: COPY_TIMEOUT_MS }, session.pace, () =>
    here.api.qemu.migrate(here.node, here.vmid, { target: node }),
  );
  const there = await requireGuest(session, clusterId, owner.vmid, name);
  if (there.node !== node)
    throw new UserError(`The disk ${name} (owner vm ${owner.vmid}) is on ${clusterId}/${there.node} instead of ${node}. Run again.`);
  return requireOwner(there);
}

/** An interrupted run's migration goes on without it, and nothing else can be done with the owner meanwhile. */
export async function awaitNodeMove(session: Session, identity: Identity): Promise<void> {
  for (const { cluster, row } of await session.ownedGuests(identity)) {
    const owner = { api: await session.client(cluster), node: row.node, vmid: row.vmid };
    await awaitTasks(owner, ["qmigrate"], session.pace);
  }
}

/** Whether a volume on that storage can only be used on its own node. */
export async function isNodeLocal(session: Session, clusterId: string, storage: string): Promise<boolean> {
  const snapshot = await session.reachable(clusterId);
  if (!snapshot) throw new UserError(`Cluster ${clusterId} does not answer: whether its nodes share storage ${storage} cannot be told.`);
  return !snapshot.storages.some((row) => row.storage === storage && row.shared);
}

/**
 * What the preview says of it.
 * @param move `sizeBytes` 0: every node reaches the volume, which stays where it is
 */
export function summarizeNodeMove(move: { from: string; to: string; sizeBytes: number; reason: string }): MigrationSummary {
  const { from, to, sizeBytes, reason } = move;
  if (sizeBytes === 0)
    return {
      from,
      to,
      method: "node migration: the stopped owner VM goes to the other node, and its disk stays on the storage that all nodes share",
      store: "none",
      transfer: "nothing",
      limit: "none",
      duration: "seconds",
      downtime: "none",
      reason,
    };
  return {
    from,
    to,
    method: "node migration: Proxmox copies the disk of the stopped owner VM to the other node and frees the source afterwards",
    store: "none: the nodes talk to each other",
    transfer: `up to ${formatSize(sizeBytes)}`,
    limit: "none: the copy stays inside the cluster",
    duration: "as long as the copy takes",
    downtime: "as long as the copy takes",
    reason,
  };
}

async function requireGuest(session: Session, clusterId: string, vmid: number, name: string): Promise<GuestRef> {
  const found = await session.locate(clusterId, vmid);
  if (!found) throw new UserError(`Vm ${vmid} on ${clusterId}, which owns the disk ${name}, is gone. Run "pulumi refresh".`);
  return found;
}
