/**
 * Giving an adopted disk an owner VM of ours. Proxmox hands a volume from one guest to another by renaming it, without
 * copying a byte (live findings 21, 24), but only if a guest has it: so a carrier, which holds nothing else and is never
 * started, takes the free disk and passes it on. The owner then carries mark, fence and protection like every other.
 */
import { formatVolumeHandle, parseVolumeHandle, type VolumeHandle, volidOfHandle } from "../../../kubernetes";
import {
  carriesMark,
  claimGuest,
  dataDrivesOf,
  destroyGuest,
  formatDescription,
  type GuestRef,
  type Identity,
  identityTag,
  type Mark,
  type MarkedGuest,
  putConfig,
  readMarkedGuest,
  runTask,
  waitForTask,
  writeMark,
} from "../../../migration";
import type { ApiParams } from "../../../proxmox";
import { attachAndDescribe, diskContext, requireOwner } from "../../disk/create";
import { fenceOwner, OWNER_MEMORY_MIB, OWNER_SLOT, volidOf } from "../../disk/owner";
import { readDiskInputs } from "../../disk/state";
import type { Inputs } from "../../inputs";
import { type Session, UserError } from "../../session";
import { type VolumeContext, volumeContext } from "../context";
import { finishVolume } from "../finish";
import { listRegistrations, type Registration } from "../kubernetes";
import { describePlace, samePlace } from "../place";
import { releaseVolume, restoreUse } from "../release";
import { type AdoptedVolume, readVolumeInputs } from "../state";
import { deleteRegistration } from "../unregister";

const GENERATION = 2;

/** The former PersistentVolume of a run that was interrupted while it gave the disk an owner. */
export function findUnfinished(registrations: readonly Registration[]): Registration | undefined {
  return registrations.find(({ mark }) => mark.adopted === true);
}

/** Safe to repeat: takes up what an interrupted run has left. @param adopted as it was taken over */
export async function takeOwnership(
  session: Session,
  adopted: Pick<AdoptedVolume, "persistentVolume" | "volumeHandle">,
  inputs: Inputs,
): Promise<Inputs> {
  const context = await volumeContext(session, inputs);
  const handle = parseVolumeHandle(adopted.volumeHandle);
  const { placement } = readVolumeInputs(inputs);
  if (!samePlace(handle, placement))
    throw new UserError(
      `Volume ${context.spec.name} was being given an owner in ${describePlace(handle)} when a run was interrupted: it cannot go to ${describePlace(placement)} before that is done. Declare its former place, run, then change it.`,
    );
  const { __adopted: _former, adoption: _done, ...owned } = inputs;
  const former = (await listRegistrations(context.kubernetes, context.identity)).find(({ name }) => name === adopted.persistentVolume);
  const owner = await givingBackOnFailure(context, former, () => ensureOwner(context, former, handle));
  const disk = await attachAndDescribe(await diskContext(session, readVolumeInputs(inputs).__disk), owner, undefined);
  const outs = await finishVolume({ ...context, inputs: owned }, disk);
  if (former) await deleteRegistration(context, former);
  return outs;
}

async function ensureOwner(context: VolumeContext, former: Registration | undefined, handle: VolumeHandle): Promise<MarkedGuest> {
  const { session, identity, spec } = context;
  const volid = volidOfHandle(handle);
  const { cluster } = readVolumeInputs(context.inputs).placement;
  const [existing] = await session.ownedGuestsNow(identity, cluster);
  await awaitReassignment(context, cluster);
  const holds = existing && volidOf(await requireOwner(existing.ref)) !== undefined;
  if (!holds) {
    // What an interrupted run has left would count as a user of the disk.
    await removeCarriers(context, cluster, volid);
    if (!former)
      throw new UserError(
        `The PersistentVolume of volume ${spec.name} (${formatVolumeHandle(handle)}) no longer carries its mark. Run "pulumi refresh", then look what became of it.`,
      );
    await releaseVolume(context, former);
  }
  const owner = existing?.ref ?? (await claimEmpty(context, identity, {}));
  if (!holds) await handOver(context, volid, owner);
  await removeCarriers(context, cluster, volid);
  await fenceOwner(owner, session.pace);
  const fenced = await requireOwner(owner);
  const mark: Mark = { ...fenced.mark!, ...identity, generation: Math.max(GENERATION, fenced.mark!.generation), phase: "settled" };
  await writeMark(fenced, { mark, text: spec.description, tags: [identityTag(identity)] }, session.pace);
  return requireOwner(owner);
}

/** Of the guest that passes the disk on: not the volume's own, so that it is never taken for the owner. */
function carrierIdentity(identity: Identity): Identity {
  return { ...identity, name: `${identity.name}/carrier` };
}

async function claimEmpty({ session, spec, inputs }: VolumeContext, identity: Identity, more: ApiParams): Promise<GuestRef> {
  const { placement, __disk } = readVolumeInputs(inputs);
  const mark: Mark = { ...identity, generation: GENERATION, phase: "claimed" };
  return claimGuest(
    {
      api: await session.client(placement.cluster),
      node: placement.node,
      vmidRange: (await session.cluster(placement.cluster)).vmidRange,
      params: {
        name: spec.name,
        memory: OWNER_MEMORY_MIB,
        scsihw: "virtio-scsi-single",
        pool: readDiskInputs(__disk).__pool,
        description: formatDescription(spec.description, mark),
        ...more,
      },
      isOurs: ({ values }) => carriesMark(values.description, identity),
    },
    session.pace,
  );
}

async function handOver(context: VolumeContext, volid: string, owner: GuestRef): Promise<void> {
  const { session, identity, spec } = context;
  session.pace.report(`${spec.name}: ${volid} becomes a disk of vm ${owner.vmid}`);
  const carrier = await claimEmpty(context, carrierIdentity(identity), { [OWNER_SLOT]: volid });
  const params = { disk: OWNER_SLOT, "target-vmid": owner.vmid, "target-disk": OWNER_SLOT };
  const hasArrived = async () => volidOf(await requireOwner(owner)) !== undefined;
  await runTask(carrier, { type: "qmmove", isDone: hasArrived }, session.pace, () =>
    carrier.api.qemu.moveDisk(carrier.node, carrier.vmid, params),
  );
}

async function carriersOf({ session, identity }: VolumeContext, cluster: string): Promise<MarkedGuest[]> {
  return session.ownedGuestsNow(carrierIdentity(identity), cluster);
}

/** A renaming that an interrupted run has started goes on without it. */
async function awaitReassignment(context: VolumeContext, cluster: string): Promise<void> {
  for (const { ref } of await carriersOf(context, cluster)) {
    // Its task is named after both guests, so that a search by one vmid does not find it.
    const tasks = await ref.api.tasks.list(ref.node, { typeFilter: "qmmove", source: "active" });
    for (const { id, upid, status } of tasks)
      if (status === "running" && id.startsWith(`${ref.vmid}-`)) await waitForTask(ref.api, upid, {}, context.session.pace);
  }
}

/** The disk first: nothing of a guest that is destroyed may be anybody's data. */
async function removeCarriers(context: VolumeContext, cluster: string, volid: string): Promise<void> {
  const { session } = context;
  for (const { ref } of await carriersOf(context, cluster)) {
    const guest = await readMarkedGuest(ref);
    const drives = guest ? dataDrivesOf(guest.config) : [];
    const foreign = drives.find((drive) => drive.volid !== volid);
    if (foreign)
      throw new UserError(
        `vm ${ref.vmid} on ${cluster} only passes ${volid} on, but holds ${foreign.volid}, which somebody has given it. Take that away and destroy the VM, then run again.`,
      );
    if (drives.length > 0) await putConfig(ref, { remove: drives.map(({ slot }) => slot) }, session.pace);
    await destroyGuest(ref, session.pace);
  }
}

/** While the disk still has its name, claim and workload get it back. */
async function givingBackOnFailure<T>(context: VolumeContext, former: Registration | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    try {
      await giveBack(context, former);
    } catch (second) {
      throw new UserError(
        `${messageOf(error)}\nClaim and workload could not be put back either: ${messageOf(second)}\nNothing is lost. Mend the cause and run again.`,
        { cause: error },
      );
    }
    throw error;
  }
}

async function giveBack(context: VolumeContext, former: Registration | undefined): Promise<void> {
  if (!former) return;
  const { session, kubernetes, identity, inputs } = context;
  const { placement } = readVolumeInputs(inputs);
  const volid = volidOfHandle(parseVolumeHandle(former.volume.spec?.csi?.volumeHandle ?? ""));
  const api = await session.client(placement.cluster);
  await awaitReassignment(context, placement.cluster);
  if (!(await api.storage.findVolume(placement.node, volid))) return;
  await removeCarriers(context, placement.cluster, volid);
  const noted = (await listRegistrations(kubernetes, identity)).find(({ name }) => name === former.name);
  if (noted) await restoreUse(context, noted, noted);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
