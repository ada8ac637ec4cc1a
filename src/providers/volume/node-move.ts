/**
 * Moving a disk to another node of its cluster: Proxmox migrates the stopped owner, copies its local disk and frees the
 * source only when the copy is complete. Fence and protection stay, and the volume keeps its name (live findings 19, 24).
 */
import { findActiveTask, type GuestRef, type Identity, type MarkedGuest, runTask, waitForTask, writeMark } from "../../migration";
import { TaskFailedError } from "../../proxmox";
import { requireOwner } from "../disk/create";
import { type Session, UserError } from "../session";

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
    throw new UserError(
      `The disk of volume ${name} (owner vm ${owner.vmid}) is on ${clusterId}/${there.node} instead of ${node}. Run again.`,
    );
  return requireOwner(there);
}

/** An interrupted run's migration goes on without it, and nothing else can be done with the owner meanwhile. */
export async function awaitNodeMove(session: Session, identity: Identity): Promise<void> {
  for (const { cluster, row } of await session.ownedGuests(identity)) {
    const owner = { api: await session.client(cluster), node: row.node, vmid: row.vmid };
    const running = await findActiveTask(owner, "qmigrate");
    if (!running) continue;
    session.pace.report(`${identity.name}: waiting for its migration to another node, which an earlier run has started`);
    try {
      await waitForTask(owner.api, running, { timeoutMs: COPY_TIMEOUT_MS }, session.pace);
    } catch (error) {
      // It has freed what it had copied; the disk is where it was.
      if (!(error instanceof TaskFailedError)) throw error;
    }
  }
}

/** A new generation, so that the PersistentVolume of the former zone can be told from the one of the new. */
export async function raiseGeneration(session: Session, owner: MarkedGuest, generation: number): Promise<MarkedGuest> {
  const mark = owner.mark!;
  return mark.generation >= generation ? owner : writeMark(owner, { mark: { ...mark, generation } }, session.pace);
}

async function requireGuest(session: Session, clusterId: string, vmid: number, name: string): Promise<GuestRef> {
  const found = await session.locate(clusterId, vmid);
  if (!found) throw new UserError(`Vm ${vmid} on ${clusterId}, which owns the disk of volume ${name}, is gone. Run "pulumi refresh".`);
  return found;
}
