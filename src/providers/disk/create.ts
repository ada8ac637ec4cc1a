/** Creating a disk: new, taken up from an interrupted run, or moved here with its data. */
import {
  carriesMark,
  claimGuest,
  findActiveTask,
  formatDescription,
  type GuestRef,
  type Identity,
  identityTag,
  type Mark,
  type MarkedGuest,
  type MoveRecord,
  readMarkedGuest,
  rollBackMove,
  waitForTask,
  writeMark,
} from "../../migration";
import { refuseHalfArrived } from "../half-arrived";
import { type Inputs, identityOf, userInputs, withoutUndefined } from "../inputs";
import { moveHere } from "../move";
import { findSuccessor } from "../sealed-sources";
import { type Session, UserError } from "../session";
import { findSource, nextGeneration } from "../source";
import { attachVolume, detachVolume, findReferences, slotFor } from "./attachment";
import { failOverDisk } from "./failover";
import { fenceOwner, OWNER_MEMORY_MIB, OWNER_SLOT, volidOf, volumeSizeBytes } from "./owner";
import { type DiskSpec, diskSchema } from "./spec";
import { COMPUTED_KEYS, OUTPUT_KEYS, readDiskInputs } from "./state";

const GIB = 1024 ** 3;

export interface DiskContext {
  session: Session;
  inputs: Inputs;
  identity: Identity;
  spec: DiskSpec;
}

export async function diskContext(session: Session, inputs: Inputs): Promise<DiskContext> {
  const federation = await session.federation();
  const { name } = inputs.__identity as { name: string };
  const spec = diskSchema.parse({ name, ...userInputs(inputs, [...COMPUTED_KEYS, ...OUTPUT_KEYS]) });
  return { session, inputs, identity: identityOf(inputs, federation.name, "disk"), spec };
}

export async function createDisk(session: Session, inputs: Inputs): Promise<{ id: string; outs: Inputs }> {
  const context = await diskContext(session, inputs);
  const { placement } = readDiskInputs(inputs);
  const begun = await session.ownedGuestsNow(context.identity, placement.cluster);
  // A move away from here that an earlier run has begun, and nobody wants any more.
  for (const owner of begun) if (!(await findSuccessor(session, context.identity, owner))) await undoUnfinishedMove(context, owner);
  const here = await session.ownedGuestsNow(context.identity, placement.cluster);
  const source = await findSource(session, context.identity, placement.cluster, here);
  const { owner, lastMove } = source ? await move(context, source) : { owner: await bringAbout(context, here), lastMove: undefined };
  return { id: `${placement.cluster}/${owner.ref.vmid}`, outs: await attachAndDescribe(context, owner, lastMove) };
}

async function bringAbout(context: DiskContext, here: MarkedGuest[]): Promise<MarkedGuest> {
  const { __failover: failover } = readDiskInputs(context.inputs);
  return failover ? requireOwner(await failOverDisk(context, failover)) : create(context, here);
}

export async function undoUnfinishedMove(context: DiskContext, owner: MarkedGuest): Promise<void> {
  const journal = owner.mark?.move;
  if (!journal || owner.mark?.phase !== "moving") return;
  const { session, identity, inputs } = context;
  const targetApi = await session.client(journal.target.cluster);
  const request = {
    identity,
    source: owner.ref,
    targetApi,
    targetPool: readDiskInputs(inputs).__pool,
    restart: false,
    backupServerOf: session.backupServer,
  };
  await rollBackMove(request, session.pace);
}

async function create(context: DiskContext, here: MarkedGuest[]): Promise<MarkedGuest> {
  const { session, identity, spec, inputs } = context;
  const { placement, __pool: pool, __sizeBytes: sizeBytes } = readDiskInputs(inputs);
  const generation = nextGeneration(here);
  const existing = here.find((guest) => guest.mark?.phase !== "retired");
  if (existing) refuseHalfArrived(identity, existing);
  if (!existing) session.pace.report(`${spec.name}: creating a disk on ${placement.cluster}/${placement.node}`);
  const mark: Mark = { ...identity, generation, phase: "claimed" };
  const ref =
    existing?.ref ??
    (await claimGuest(
      {
        api: await session.client(placement.cluster),
        node: placement.node,
        vmidRange: (await session.cluster(placement.cluster)).vmidRange,
        params: {
          name: spec.name,
          memory: OWNER_MEMORY_MIB,
          scsihw: "virtio-scsi-single",
          [OWNER_SLOT]: `${placement.storages[0]}:${sizeBytes / GIB}`,
          pool,
          description: formatDescription(spec.description, mark),
        },
        isOurs: ({ values }) => carriesMark(values.description, identity),
      },
      session.pace,
    ));
  const creating = await findActiveTask(ref, "qmcreate");
  if (creating) await waitForTask(ref.api, creating, {}, session.pace);
  await fenceOwner(ref, session.pace);
  return settle(context, ref, generation);
}

async function settle(context: DiskContext, ref: GuestRef, generation: number): Promise<MarkedGuest> {
  const { session, identity, spec } = context;
  const owner = await requireOwner(ref);
  return writeMark(
    owner,
    { mark: { ...owner.mark!, ...identity, generation, phase: "settled" }, text: spec.description, tags: [identityTag(identity)] },
    session.pace,
  );
}

export async function requireOwner(ref: GuestRef): Promise<MarkedGuest> {
  const owner = await readMarkedGuest(ref);
  if (!owner?.mark)
    throw new UserError(`vm ${ref.vmid} on ${ref.api.clusterId}, owner of a disk, is gone or lost its mark. Run "pulumi refresh".`);
  return owner;
}

async function move(context: DiskContext, source: MarkedGuest): Promise<{ owner: MarkedGuest; lastMove: MoveRecord }> {
  const { session, identity, spec, inputs } = context;
  const { placement, __pool: pool, __route: route } = readDiskInputs(inputs);
  await releaseSource(context, source);
  const { target, record } = await moveHere(session, {
    identity,
    source,
    placement,
    pool,
    route,
    follows: spec.attachTo !== undefined,
    storage: placement.storages[0]!,
    text: spec.description,
    tags: [identityTag(identity)],
    name: spec.name,
    shutdown: { timeoutSeconds: 60, force: false },
    running: false,
    adapt: (owner) => fenceOwner(owner, session.pace),
    waitUntilAlive: async () => undefined,
  });
  return { owner: await requireOwner(target), lastMove: record };
}

/** A backup of a disk that a guest still writes to would be torn (live finding 19): no configuration may name it. */
async function releaseSource(context: DiskContext, source: MarkedGuest): Promise<void> {
  const volid = volidOf(source);
  if (volid === undefined) return;
  for (const { guest, slot } of await findReferences(source.ref.api, volid, source.ref.vmid)) {
    const status = await guest.ref.api.qemu.getStatus(guest.ref.node, guest.ref.vmid);
    if (status.status === "running" || !guest.mark)
      throw new UserError(
        `Disk ${context.spec.name} cannot be moved: vm ${guest.ref.vmid} on ${guest.ref.api.clusterId} ${guest.mark ? "runs on it" : "is not ours and uses it"} (${slot}). Stop that guest, or detach the disk.`,
      );
    await detachVolume(guest.ref, volid, context.session.pace);
  }
}

/** Attaches the volume where it is declared to be, records that on the owner, and tells the outputs. */
export async function attachAndDescribe(context: DiskContext, owner: MarkedGuest, lastMove: MoveRecord | undefined): Promise<Inputs> {
  const { inputs, spec } = context;
  const fresh = await requireOwner(owner.ref);
  const volid = volidOf(fresh);
  if (volid === undefined)
    throw new Error(`vm ${owner.ref.vmid} on ${owner.ref.api.clusterId} owns no volume on ${OWNER_SLOT}: it was taken away by hand.`);
  const at = { cluster: owner.ref.api.clusterId, node: owner.ref.node };
  const { recovery: _done, cleanup: _removed, drift: _mended, __live, __route, __failover, ...lasting } = inputs;
  const slot = spec.attachTo ? await attach(context, spec.attachTo, fresh, volid) : undefined;
  return withoutUndefined({
    ...lasting,
    placement: { ...readDiskInputs(inputs).placement, ...at },
    ownerVmid: owner.ref.vmid,
    volid,
    sizeBytes: await volumeSizeBytes(owner.ref, volid),
    slot,
    lastMove,
    __at: at,
    __generation: fresh.mark!.generation,
  });
}

async function attach(context: DiskContext, to: { cluster: string; vmid: number }, owner: MarkedGuest, volid: string): Promise<string> {
  const { session, spec } = context;
  const guest = await session.locate(to.cluster, to.vmid);
  if (!guest)
    throw new UserError(`vm ${to.vmid}, which disk ${spec.name} is to be attached to, is not on ${to.cluster}. Run "pulumi refresh".`);
  const slot = await slotFor(guest, volid);
  // First the mark: a backup of the owner that may be torn by what the guest writes must say so.
  await writeMark(owner, { mark: { ...owner.mark!, attachedTo: { cluster: to.cluster, vmid: to.vmid, slot } } }, session.pace);
  await attachVolume(guest, volid, slot, spec, session.pace);
  return slot;
}
