/**
 * Creating a VM: new, taken up from an interrupted run, or moved here from another cluster. Run again after any
 * interruption it ends in the same place.
 */
import {
  carriesMark,
  claimGuest,
  findActiveTask,
  formatDescription,
  type GuestRef,
  type Identity,
  type Mark,
  type MarkedGuest,
  type MoveRecord,
  readMarkedGuest,
  waitForTask,
  writeMark,
} from "../../migration";
import type { ApiParams } from "../../proxmox";
import { failOverHere } from "../failover/create";
import type { FailoverPlan } from "../failover/plan";
import { refuseHalfArrived } from "../half-arrived";
import { type Inputs, identityOf, userInputs } from "../inputs";
import { moveHere } from "../move";
import { PartialCreateError } from "../partial";
import type { Session } from "../session";
import { findSource, nextGeneration } from "../source";
import { takeOver } from "./adopt";
import { applyPower, applyShape, newDiskLine, waitUntilAlive } from "./apply";
import { toMarkDemands } from "./demands";
import { shapeForLiveRestore } from "./live-shape";
import { toOutputs, vmId } from "./outputs";
import { restoreStorage } from "./restore-storage";
import { formatNetwork, type GuestShape } from "./shape";
import { type VmSpec, vmSchema } from "./spec";
import { COMPUTED_KEYS, placementOf, readVmInputs } from "./state";

export async function createVm(session: Session, inputs: Inputs): Promise<{ id: string; outs: Inputs }> {
  const context = await contextOf(session, inputs);
  const { guest, generation, lastMove } = await bringAbout(context);
  return { id: vmId(guest), outs: await describe(context, guest, generation, lastMove) };
}

export interface VmContext {
  session: Session;
  inputs: Inputs;
  identity: Identity;
  spec: VmSpec;
  desired: GuestShape;
}

export async function contextOf(session: Session, inputs: Inputs): Promise<VmContext> {
  const federation = await session.federation();
  const { name } = inputs.__identity as { name: string };
  const spec = vmSchema.parse({ name, ...userInputs(inputs, OUTPUT_KEYS) });
  return { session, inputs, identity: identityOf(inputs, federation.name, "vm"), spec, desired: readVmInputs(inputs).__desired };
}

/** Keys of outputs that no program sets. */
const OUTPUT_KEYS = [...COMPUTED_KEYS, "vmid", "macAddresses", "addresses", "lastMove"];

interface Result {
  guest: GuestRef;
  generation: number;
  lastMove?: MoveRecord;
}

async function bringAbout(context: VmContext): Promise<Result> {
  const { session, inputs, identity, spec } = context;
  const placement = placementOf(readVmInputs(inputs));
  const here = await session.ownedGuestsNow(identity, placement.cluster);
  const source = await findSource(session, identity, placement.cluster, here);
  if (source) return move(context, source);
  const { __failover: failover } = readVmInputs(inputs);
  if (failover) return failOver(context, failover);
  const generation = nextGeneration(here);
  const known = here.find((candidate) => candidate.mark?.phase !== "retired");
  if (known) refuseHalfArrived(identity, known);
  if (!known && spec.adopt) return adopt(context, spec.adopt, generation);
  const guest = known ?? (await createNew(context, generation));
  try {
    await finishCreate(context, guest, generation);
  } catch (error) {
    throw await partialCreate(context, guest.ref, generation, error);
  }
  return { guest: guest.ref, generation };
}

async function adopt(context: VmContext, existing: NonNullable<VmSpec["adopt"]>, lowestGeneration: number): Promise<Result> {
  const { session, inputs, identity, desired } = context;
  const { __pool: pool } = readVmInputs(inputs);
  const guest = await takeOver(session, existing, { identity, generation: lowestGeneration, pool, text: desired.text });
  const { generation } = guest.mark!;
  try {
    await finishCreate(context, guest, generation);
  } catch (error) {
    throw await partialCreate(context, guest.ref, generation, error);
  }
  return { guest: guest.ref, generation };
}

async function move(context: VmContext, source: MarkedGuest): Promise<Result> {
  const { session, inputs, identity, spec, desired } = context;
  const { placement, __pool: pool, __route: route } = readVmInputs(inputs);
  const agent = { expected: spec.agent, timeoutSeconds: spec.agentTimeoutSeconds };
  const { target, generation, record } = await moveHere(session, {
    identity,
    source,
    placement,
    pool,
    route,
    storage: restoreStorage(desired) ?? (await session.cluster(placement.cluster)).storage.primary ?? "local",
    text: desired.text,
    tags: desired.tags,
    demands: toMarkDemands(desired.demands),
    name: spec.name,
    shutdown: spec.shutdown,
    running: desired.running,
    onBoot: spec.onBoot,
    bridges: Object.fromEntries(Object.entries(desired.networks).map(([slot, { bridge }]) => [slot, bridge])),
    liveShape: (config) => shapeForLiveRestore(config, desired),
    adapt: (guest) => applyShape(guest, withoutOnBoot(desired), { shutdown: spec.shutdown }, session.pace),
    waitUntilAlive: (guest) => waitUntilAlive(guest, agent, session.pace),
  });
  return { guest: target, generation, lastMove: record };
}

/** Never a partial result: until the guest stands the engine keeps what it knows of the lost one. */
async function failOver(context: VmContext, plan: FailoverPlan): Promise<Result> {
  const { session, inputs, identity, spec, desired } = context;
  const { placement, __pool: pool } = readVmInputs(inputs);
  const options = { shutdown: spec.shutdown };
  const { guest, generation } = await failOverHere(session, {
    identity,
    name: spec.name,
    plan,
    placement,
    pool,
    storage: restoreStorage(desired) ?? (await session.cluster(placement.cluster)).storage.primary ?? "local",
    text: desired.text,
    tags: desired.tags,
    demands: toMarkDemands(desired.demands),
    onBoot: spec.onBoot,
    running: desired.running,
    adapt: ({ ref }) => applyShape(ref, withoutOnBoot(desired), options, session.pace),
    start: async ({ ref }) => {
      await applyPower(ref, desired, options, session.pace);
      if (desired.running) await waitUntilAlive(ref, { expected: spec.agent, timeoutSeconds: spec.agentTimeoutSeconds }, session.pace);
    },
  });
  return { guest: guest.ref, generation };
}

function withoutOnBoot(desired: GuestShape): GuestShape {
  const { onboot: _later, ...scalars } = desired.scalars;
  return { ...desired, scalars };
}

async function createNew(context: VmContext, generation: number): Promise<MarkedGuest> {
  const { session, inputs, identity, spec, desired } = context;
  const { placement, __pool: pool } = readVmInputs(inputs);
  const cluster = await session.cluster(placement.cluster);
  session.pace.report(`${spec.name}: creating on ${placement.cluster}/${placement.node}`);
  const mark: Mark = { ...identity, generation, phase: "claimed" };
  const guest = await claimGuest(
    {
      api: await session.client(placement.cluster),
      node: placement.node,
      vmidRange: cluster.vmidRange,
      params: { ...creationParams(desired), pool, description: formatDescription(desired.text, mark) },
      isOurs: ({ values }) => carriesMark(values.description, identity),
    },
    session.pace,
  );
  const marked = await readMarkedGuest(guest);
  if (!marked) throw new Error(`vm ${guest.vmid} on ${placement.cluster} disappeared right after its creation. Run again.`);
  return marked;
}

/** Everything in one request; without tags, which PVE 9.2 refuses from a token whose rights come from the pool. */
function creationParams(desired: GuestShape): ApiParams {
  return {
    ...desired.scalars,
    ...Object.fromEntries(Object.entries(desired.disks).map(([slot, disk]) => [slot, newDiskLine(disk)])),
    ...Object.fromEntries(Object.entries(desired.networks).map(([slot, network]) => [slot, formatNetwork(network)])),
    ...(desired.cloudInitStorage === undefined ? {} : { ide2: `${desired.cloudInitStorage}:cloudinit` }),
  };
}

/** Takes a created guest to its declared state: sizes, tags, power, mark. */
async function finishCreate(context: VmContext, guest: MarkedGuest, generation: number): Promise<void> {
  const { session, identity, spec, desired } = context;
  const { pace } = session;
  const creating = await findActiveTask(guest.ref, "qmcreate");
  if (creating) await waitForTask(guest.ref.api, creating, {}, pace);
  const options = { shutdown: spec.shutdown };
  await applyShape(guest.ref, desired, options, pace);
  // One that has moved or was failed over keeps what its mark says about that.
  const mark: Mark = { ...guest.mark, ...identity, generation, phase: "settled", demands: toMarkDemands(desired.demands) };
  await writeMark(guest, { mark, text: desired.text, tags: desired.tags }, pace);
  await applyPower(guest.ref, desired, options, pace);
  if (desired.running) await waitUntilAlive(guest.ref, { expected: spec.agent, timeoutSeconds: spec.agentTimeoutSeconds }, pace);
}

/**
 * The guest exists but is not as declared. The engine shall know it, so that the next update completes it and a destroy
 * removes it. Never for a move: there it would condemn the source.
 */
async function partialCreate(context: VmContext, guest: GuestRef, generation: number, cause: unknown): Promise<unknown> {
  if (!(cause instanceof Error)) return cause;
  try {
    const outs = await describe(context, guest, generation, undefined);
    return new PartialCreateError(vmId(guest), { ...outs, __provider: context.inputs.__provider }, cause);
  } catch {
    // The cluster does not answer any more: the mark on the guest is what the next run finds.
    return cause;
  }
}

export async function describe(context: VmContext, guest: GuestRef, generation: number, lastMove: MoveRecord | undefined): Promise<Inputs> {
  const { inputs, spec, desired } = context;
  const config = await guest.api.qemu.getConfig(guest.node, guest.vmid);
  const status = await guest.api.qemu.getStatus(guest.node, guest.vmid);
  const addresses = desired.running && spec.agent ? await guest.api.qemu.findAgentAddresses(guest.node, guest.vmid) : undefined;
  return toOutputs(inputs, { guest, config, running: status.status === "running", generation, addresses: addresses ?? [], lastMove });
}
