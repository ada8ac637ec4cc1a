/**
 * Moving by Proxmox's remote migration: the source's node sends the guest to the target's node. `storage` sends a running
 * guest while it runs, `offline` shuts it down first.
 *
 * The source is never deleted by the migration (`delete=1` would do so before anybody has verified the target). Without it
 * Proxmox leaves the source stopped under the lock `migrate`, which only an administrator can take away. So everything that is
 * to be known about the move is written before it, at step `finishing`; afterwards the target's mark alone tells how far it has come.
 */
import type { MigrationMethod } from "../config";
import { parseNet } from "../proxmox";
import { bandwidthLimit, showProgress } from "./archive";
import { findGuest } from "./claim";
import { stopAndFenceSource } from "./fence";
import type { MoveJournal } from "./mark";
import { MOVING_TAG, readMarkedGuest, writeMark } from "./marked-guest";
import type { MoveMethod } from "./move-method";
import { type MoveState, withTag } from "./move-state";
import { destroyGuest, GuestLockedError, type GuestRef, isRunning, type Pace, repeatAfterLostReply, runTask, stopTask } from "./operations";
import { awaitPassage, findPassage, isPassenger, PASSAGE_TASK, PASSAGE_TIMEOUT_MS, type PassageRequest } from "./passage";
import { TransferProgress } from "./progress";
import { formatBridgeMap, formatEndpoint } from "./remote-endpoint";
import type { RollbackRequest } from "./rollback";
import { verifyRestored } from "./verify";

export const storageMove = remoteMove("storage");
export const offlineMove = remoteMove("offline");

function remoteMove(name: Extract<MigrationMethod, "storage" | "offline">): MoveMethod {
  return {
    name,
    // A running source serves until the switch: it was never fenced. What counts then is its lock.
    fencedSteps: new Set(name === "offline" ? ["finishing"] : []),
    sealsSource: true,
    takeUp,
    takeTarget,
    carry: async (move, target) => {
      if (move.begun.step !== "finishing")
        await move.request.onLink(async (bitsPerSecond) => {
          const online = name === "storage" && move.request.running && (await isRunning(move.request.source));
          if (!online) await stopAndFenceSource(move);
          await pass(move, target, { online, bitsPerSecond });
        });
      await receive(move, target);
    },
    canRollBack: async ({ identity, source, targetApi }, journal, pace) =>
      (await findPassage({ name: identity.name, source, targetApi, journal }, pace)) === "stayed",
    // Nothing of ours works on a source that has stayed.
    stopWork: async () => undefined,
    removeTarget,
    cleanUp: async () => undefined,
  };
}

/** An interrupted migration went on by itself: it has gone through, or for certain it has not and the way back is open. */
async function takeUp(move: MoveState): Promise<void> {
  if (move.begun.step !== "finishing" || (await findPassage(await passageOf(move), move.pace)) === "arrived") return;
  await move.readSource();
  await move.change({ step: move.source.config.values.template === "1" && !move.begun.wasFenced ? "stopping" : "preparing" });
}

async function passageOf(move: MoveState): Promise<PassageRequest> {
  const { source, name, apiOf } = move.request;
  return { name, source, targetApi: await apiOf(move.begun.target.cluster), journal: move.begun };
}

/** A free vmid: Proxmox makes the guest itself. Until it is there, whatever has that vmid is somebody else's. */
async function takeTarget(move: MoveState): Promise<GuestRef> {
  const { target, source } = move.request;
  const { vmid: known, cluster, node } = move.begun.target;
  if (move.begun.step === "finishing") {
    const found = await findGuest(target.api, known!);
    return { api: target.api, node: found?.node ?? node, vmid: known! };
  }
  await removePassenger(target.api, move.begun, source, move.pace);
  const vmid = await freeVmid(move);
  if (vmid !== known || cluster !== target.api.clusterId || node !== target.node)
    await move.change({ target: { cluster: target.api.clusterId, node: target.node, vmid } });
  return { api: target.api, node: target.node, vmid };
}

async function freeVmid(move: MoveState): Promise<number> {
  const { source, target } = move.request;
  const { api, vmidRange } = target;
  const used = new Set((await api.listResources()).flatMap((row) => (row.kind === "guest" ? [row.vmid] : [])));
  const wanted = [move.begun.target.vmid, source.vmid].find((vmid) => vmid !== undefined && !used.has(vmid));
  if (wanted !== undefined) return wanted;
  if (!vmidRange) return api.getNextVmid();
  for (let vmid = vmidRange.first; vmid <= vmidRange.last; vmid++) if (!used.has(vmid)) return vmid;
  throw new Error(
    `Cluster ${api.clusterId} has no free vmid from ${vmidRange.first} to ${vmidRange.last}: widen clusters[].vmid_range or remove guests.`,
  );
}

/** When it resolves the target has everything, and the source is stopped and locked. */
async function pass(move: MoveState, target: GuestRef, how: { online: boolean; bitsPerSecond: number | undefined }): Promise<void> {
  const { source, name, route } = move.request;
  move.stopIfCancelled();
  const params = await parametersOf(move, target, how);
  const before = move.begun.step;
  await move.change({ step: "finishing", ...(route.keepSourceMs === undefined ? {} : { keepMs: route.keepSourceMs }) });
  move.pace.report(`${name}: migrating to ${route.target}/${target.node}${how.online ? " while it runs" : ""}`);
  const progress = new TransferProgress(`${name}: migrating`, move.pace.nowMs);
  try {
    await runTask(
      source,
      {
        type: PASSAGE_TASK,
        timeoutMs: PASSAGE_TIMEOUT_MS,
        isDone: async () => (await source.api.qemu.getConfig(source.node, source.vmid)).values.lock === "migrate",
        onLog: (lines) => showProgress(move.pace, progress.read(lines)),
      },
      move.pace,
      () => source.api.qemu.remoteMigrate(source.node, source.vmid, params),
    );
  } catch (error) {
    if (move.pace.signal?.aborted) await stopTask(source, PASSAGE_TASK, move.pace);
    if ((await awaitPassage(await passageOf(move), move.pace)) === "stayed") {
      await move.readSource();
      await move.change({ step: before });
      throw error;
    }
    move.stopIfCancelled();
  }
}

async function parametersOf(
  move: MoveState,
  target: GuestRef,
  { online, bitsPerSecond }: { online: boolean; bitsPerSecond: number | undefined },
) {
  const { remote, route } = move.request;
  if (!remote) throw new Error(`method ${route.method} from ${route.source} to ${route.target} needs the target's endpoint`);
  const { values } = (await move.readSource()).config;
  const bridges = Object.entries(remote.bridges).flatMap(([slot, to]) => {
    const from = values[slot] === undefined ? undefined : parseNet(values[slot]).bridge;
    return from === undefined ? [] : [{ from, to }];
  });
  return {
    "target-endpoint": formatEndpoint(await remote.endpoint()),
    "target-vmid": target.vmid,
    "target-storage": move.request.target.storage,
    "target-bridge": formatBridgeMap(bridges),
    ...(online ? { online: 1 } : {}),
    ...bandwidthLimit(bitsPerSecond),
  };
}

/** The target arrived as a copy of the source, mark and fence included, and in no pool. */
async function receive(move: MoveState, target: GuestRef): Promise<void> {
  const { tags, text, target: place } = move.request;
  const guest = await move.readTarget(target);
  // Verified by an interrupted run.
  if (guest.mark?.phase === "settled" || (guest.mark?.phase === "restored" && guest.mark.move === undefined)) return;
  verifyRestored(
    await move.readSource(),
    guest,
    `Nothing is undone: the source is stopped and locked (migrate) and holds all data. Look at both, then have an administrator remove the one that is wrong ("qm destroy VMID --skiplock 1") and run "qm unlock ${move.request.source.vmid}" on node ${move.request.source.node} if the source is to be used again.`,
  );
  await repeatAfterLostReply(move.pace, () => place.api.pools.addGuest(place.pool, target.vmid, { allowMove: true }));
  await writeMark(
    guest,
    {
      mark: move.targetMark("restored"),
      text,
      tags: withTag(tags, MOVING_TAG),
      set: { onboot: 0 },
      remove: guest.config.values.template === undefined ? [] : ["template"],
    },
    move.pace,
  );
}

async function removeTarget({ targetApi, source }: RollbackRequest, journal: MoveJournal, pace: Pace): Promise<void> {
  await removePassenger(targetApi, journal, source, pace);
}

/** What a migration that did not go through has left at the target; usually nothing, since Proxmox cleans up. */
async function removePassenger(api: GuestRef["api"], journal: MoveJournal, source: GuestRef, pace: Pace): Promise<void> {
  const { vmid } = journal.target;
  const found = vmid === undefined || journal.reached?.finishing === undefined ? undefined : await findGuest(api, vmid);
  const guest = found && (await readMarkedGuest(found));
  if (!guest) return;
  if (isPassenger(guest, journal.id, source)) {
    await destroyGuest(guest.ref, pace);
    return;
  }
  // The head of an incoming guest carries nothing that tells whose it is.
  const keys = Object.keys(guest.config.values);
  if (guest.config.values.lock === "create" && keys.length === 1)
    throw new GuestLockedError(
      `vm ${vmid} on ${api.clusterId}/${found.node} is empty and locked (create): most likely what a broken migration of vm ${source.vmid} from ${source.api.clusterId} has left. If nobody creates it right now, an administrator runs "qm destroy ${vmid} --skiplock 1" on node ${found.node}. Then run again.`,
    );
}
