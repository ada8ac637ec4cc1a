/**
 * Moving a volume that no program owns. What an engine does with a program that declares it is done here once: first it is taken
 * over and gets an owner VM, which makes its disk one of ours; then it moves, by the code of every other volume. It keeps the
 * mark of this command, by which an interrupted move is found and finished.
 */
import { formatSize } from "../../../config";
import {
  estimateMove,
  FREE_STACK,
  type MigrationSummary,
  planRoute,
  readMarkedGuest,
  summarizeMove,
  windowRefusal,
} from "../../../migration";
import { summarizeNodeMove } from "../../disk/node-move";
import { volidOf } from "../../disk/owner";
import { checkDisk } from "../../disk/plan";
import { readDiskInputs } from "../../disk/state";
import type { Inputs } from "../../inputs";
import { otherGuests } from "../../other-guests";
import { destroyWithArchives, leaveKeptSource, refuseWithoutSuccessor } from "../../predecessors";
import { type Session, UserError } from "../../session";
import { volumeContext } from "../context";
import { createVolume } from "../create";
import { guestUseOf } from "../guest-use";
import { listRegistrations } from "../kubernetes";
import { isInLostRegion } from "../lost-region";
import { clusterOfRegion, describePlace, samePlace } from "../place";
import { checkVolume } from "../plan";
import { readVolumeInputs, readVolumeOutputs, type VolumeOutputs } from "../state";
import { deleteRegistration } from "../unregister";

export interface Place {
  region: string;
  zone?: string;
}

/** A volume that no program owns, or that this command has taken over before. */
export interface FreeVolume {
  /** In its mark, or to be: that of the PersistentVolume it was taken over as. */
  name: string;
  at: Place;
  /** As a program would declare it, without its place. */
  declared: Inputs;
  /** The PersistentVolume, while no guest of ours owns its disk. */
  unowned?: string;
}

export interface RelocationPlan {
  /** What taking it over does. */
  adoption?: string;
  /** Absent: it is there. */
  migration?: MigrationSummary;
}

const REASON = "asked for by federate volumes move";

/** @throws UserError with all that stands in the way */
export async function planRelocation(session: Session, volume: FreeVolume, to: Place): Promise<RelocationPlan> {
  if (volume.unowned === undefined) {
    const { migration } = readVolumeInputs(await check(session, moving(volume, to)));
    return migration ? { migration: { ...migration, reason: REASON } } : {};
  }
  const { adoption } = readVolumeInputs(await check(session, takingOver(volume)));
  // No owner is there yet whose move could be planned: the target is asked for room, and whether a way leads there.
  return { adoption, ...(samePlace(volume.at, to) ? {} : { migration: await planTarget(session, volume, to) }) };
}

/** Gives its disk an owner VM. Safe to repeat; a run that was interrupted is finished. */
export async function takeOver(session: Session, volume: FreeVolume): Promise<void> {
  const inputs = await check(session, takingOver(volume));
  await ensurePool(session, inputs);
  await createVolume(session, inputs);
}

/** Of one that has an owner VM of ours. Safe to repeat; what is there already stays. */
export async function relocate(session: Session, volume: FreeVolume, to: Place): Promise<VolumeOutputs> {
  const inputs = await check(session, moving(volume, to));
  await ensurePool(session, inputs);
  const { outs } = await createVolume(session, inputs);
  await removeFormer(session, outs);
  return readVolumeOutputs(outs);
}

function declared(volume: FreeVolume, { region, zone }: Place, more: Inputs): Inputs {
  return {
    ...volume.declared,
    region,
    ...(zone === undefined ? {} : { zone }),
    ...more,
    __identity: { stack: FREE_STACK, name: volume.name },
  };
}

function takingOver(volume: FreeVolume): Inputs {
  return declared(volume, volume.at, { adopt: { persistentVolume: volume.unowned, takeOwnership: true } });
}

function moving(volume: FreeVolume, to: Place): Inputs {
  return declared(volume, to, { allowMove: true });
}

async function check(session: Session, inputs: Inputs): Promise<Inputs> {
  const { inputs: checked, failures } = await checkVolume(session, {}, inputs);
  if (failures.length === 0) return checked;
  throw new UserError(failures.map(({ property, reason }) => (property === "" ? reason : `${property}: ${reason}`)).join("\n"));
}

/** No ResourcePool of a program has made it. */
async function ensurePool(session: Session, inputs: Inputs): Promise<void> {
  const { placement, __disk } = readVolumeInputs(inputs);
  const pool = await session.poolOf(readDiskInputs(__disk).__pool);
  const api = await session.client(placement.cluster);
  if (!(await api.pools.find(pool.name))) await api.pools.create(pool.name, pool.description ?? "");
}

async function planTarget(session: Session, volume: FreeVolume, to: Place): Promise<MigrationSummary> {
  const federation = await session.federation();
  const [source, target] = [clusterOfRegion(federation, volume.at.region), clusterOfRegion(federation, to.region)];
  const { name, pool, size, storageClass } = volume.declared;
  const pin = { cluster: target, ...(to.zone === undefined ? {} : { node: to.zone }) };
  const { failures } = await checkDisk(
    session,
    {},
    {
      name,
      ...(pool === undefined ? {} : { pool }),
      size,
      storageClass,
      pin,
      __identity: { stack: FREE_STACK, name: `pv/${volume.name}/there` },
    },
  );
  if (failures.length > 0) throw new UserError(failures.map(({ reason }) => reason).join("\n"));
  const [from, there] = [describePlace(volume.at), describePlace(to)];
  const sizeBytes = size as number;
  if (source === target) return summarizeNodeMove({ from, to: there, sizeBytes, reason: REASON });
  const routed = planRoute(federation, source, target);
  const where = `Volume ${volume.name} (${formatSize(sizeBytes)}) cannot go from ${from} to ${there}`;
  if (!routed.ok) throw new UserError(`${where}: ${routed.reason}.`);
  const { live: _live, ...route } = routed.route;
  const closed = session.overrideWindow ? undefined : windowRefusal(route, session.pace.nowMs());
  if (closed !== undefined) throw new UserError(`${where}: ${closed}.`);
  return summarizeMove(route, estimateMove(route, sizeBytes, await session.cluster(source)), { from, to: there, reason: REASON });
}

/** As the delete half of a replacement: Kubernetes forgets the former place, and the source goes once nobody names its disk. */
async function removeFormer(session: Session, outs: Inputs): Promise<void> {
  const context = await volumeContext(session, outs);
  const { persistentVolume, placement, ownerVmid } = readVolumeOutputs(outs);
  for (const registration of await listRegistrations(context.kubernetes, context.identity))
    if (registration.name !== persistentVolume)
      await deleteRegistration(context, registration, await isInLostRegion(session, registration.volume));
  const found = await session.locate(placement.cluster, ownerVmid);
  const owner = found && (await readMarkedGuest(found));
  if (!owner) return;
  for (const source of await otherGuests(session, context.identity, owner)) {
    if (source.mark.phase !== "retired") continue;
    await refuseWithoutSuccessor(session, context.identity, source);
    if (await leaveKeptSource(session, source)) continue;
    const volid = volidOf(source);
    const users = volid === undefined ? [] : await (await guestUseOf(session, source.ref.api.clusterId)).findNow(volid);
    if (users.length > 0)
      throw new UserError(
        `Volume ${context.spec.name} has moved, but its former disk ${volid} on ${source.ref.api.clusterId} is kept: ${users.join(", ")} has it. Detach it there, then run again.`,
      );
    await destroyWithArchives(session, context.identity, source);
  }
}
