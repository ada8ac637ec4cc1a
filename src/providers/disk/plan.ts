/** `check` of a disk: validates, places beside the guest it is attached to, and says what a move will do. */
import type { ResourcePool } from "../../config";
import { identityTag, readMarkedGuest } from "../../migration";
import { type Company, explainLine, type Placement, placeOne } from "../../placement";
import { planOldCopies } from "../failover/old-copies";
import { findLostHome, planFailover } from "../failover/plan";
import { describeRename, engineInputs, hasUnknown, type Inputs, identityOf, UNKNOWN, userInputs } from "../inputs";
import { planMove } from "../move-plan";
import { alreadyPlanned, promise } from "../peers";
import { resolvePool } from "../pool/resolve";
import { findReturn } from "../return";
import { findShortage } from "../room";
import { type CheckFailure, toFailures } from "../schema";
import type { Session } from "../session";
import { isBehindVolume } from "../volume/disk-inputs";
import { describeExpired, findWhereabouts, type Whereabouts } from "../whereabouts";
import { doubtBackup } from "./failover";
import { planNodeMove } from "./node-move-plan";
import { findGrownSizeBytes, listedSizeBytes, OWNER_SLOT, volidOf } from "./owner";
import { toDiskRequest } from "./request";
import { type DiskSpec, diskSchema } from "./spec";
import { COMPUTED_KEYS, type DiskInputs } from "./state";

const MIB = 1024 * 1024;
const DISK_UNIT_BYTES = 4 * MIB;

export async function checkDisk(session: Session, olds: Inputs, news: Inputs): Promise<{ inputs: Inputs; failures: CheckFailure[] }> {
  const own = userInputs(news, COMPUTED_KEYS);
  const renamed = describeRename(olds, news);
  if (renamed !== undefined) return { inputs: news, failures: [{ property: "identity", reason: renamed }] };
  const { known, vmidUnknown } = withoutUnknownVmid(own);
  if (hasUnknown(known) || hasUnknown(news.__poolDefinition))
    return { inputs: { ...own, ...engineInputs(news), placement: UNKNOWN }, failures: [] };
  const parsed = diskSchema.safeParse({ name: (news.__identity as { name: string }).name, ...known });
  if (!parsed.success) return { inputs: news, failures: toFailures(parsed.error) };
  const planned = await planDisk(session, parsed.data, news, olds, vmidUnknown);
  if ("failure" in planned) return { inputs: news, failures: [{ property: "", reason: planned.failure }] };
  return { inputs: { ...own, ...engineInputs(news), ...planned.inputs }, failures: [] };
}

/** A guest that is only planned has a place but no vmid yet: enough to place its disks. */
function withoutUnknownVmid(own: Inputs): { known: Inputs; vmidUnknown: boolean } {
  const attachTo = own.attachTo as Inputs | undefined;
  if (attachTo?.vmid !== UNKNOWN) return { known: own, vmidUnknown: false };
  return { known: { ...own, attachTo: { ...attachTo, vmid: 0 } }, vmidUnknown: true };
}

async function planDisk(
  session: Session,
  spec: DiskSpec,
  news: Inputs,
  olds: Inputs,
  vmidUnknown: boolean,
): Promise<{ inputs: DiskInputs } | { failure: string }> {
  const federation = await session.federation();
  const identity = identityOf(news, federation.name, "disk");
  const key = identityTag(identity);
  const pool = await resolvePool(session, spec.pool, news);
  const here = await findWhereabouts(session, identity);
  const before = olds.placement === undefined || olds.placement === UNKNOWN ? undefined : (olds as unknown as DiskInputs);
  const request = toDiskRequest(spec, pool, key, priorOf(here, before), news.__company as Company | undefined);
  const { promised, decided } = await alreadyPlanned(session, news, pool, key);
  if (typeof news.__together === "string" && !decided && !request.prior)
    return {
      failure: `${spec.name} is placed together with others, and where those are cannot be told while a cluster of pool ${pool.name} does not answer. Run again when it does, or give its zone.`,
    };
  const result = decided ?? placeOne(request, await session.inventory(), promised);
  if (!result.ok) return { failure: result.message };
  const { placement } = result;
  promise(session, news, { request, placement });
  const inputs: DiskInputs = {
    placement: { ...placement, why: result.explanation.outcome === "kept" && before ? before.placement.why : explainLine(result) },
    __pool: pool.name,
    __sizeBytes: Math.ceil(spec.size / DISK_UNIT_BYTES) * DISK_UNIT_BYTES,
  };
  if (spec.attachTo)
    inputs.__attachTo = {
      cluster: spec.attachTo.cluster,
      vmid: vmidUnknown ? formerVmid(before, spec.attachTo.cluster) : spec.attachTo.vmid,
    };
  if (here.home) inputs.__live = { cluster: here.home.cluster, node: here.home.row.node, vmid: here.home.row.vmid };
  const refusal = refuseInPlaceChange(before, inputs);
  if (refusal !== undefined) return { failure: refusal };
  const what = `Disk ${spec.name}`;
  const lost = await findLostHome(session, identity, here, before);
  if (lost) {
    const planned = await planFailover(session, {
      what,
      identity,
      lost,
      here,
      placement,
      pool: pool.name,
      slots: [OWNER_SLOT],
      doubt: doubtBackup,
    });
    if ("failure" in planned) return planned;
    return { inputs: { ...inputs, failover: planned.summary, __failover: planned.plan } };
  }
  if (here.halfArrived !== undefined) return { failure: here.halfArrived };
  const old = await planOldCopies(session, what, here, placement);
  if (old.refusal !== undefined) return { failure: `${old.refusal}.` };
  if (here.home && here.home.cluster !== placement.cluster) {
    Object.assign(inputs, await findReturn(session, here.home, inputs, before));
    return planDiskMove(session, spec, pool, inputs, here, result.explanation.moveReason);
  }
  const shortage = await findGrowthShortage(session, spec, before, inputs);
  if (shortage !== undefined) return { failure: shortage };
  // A volume of Kubernetes has more to do when its node changes, and does that itself.
  if (!isBehindVolume(identity.name)) {
    const nodeMove = await planNodeMove(session, { spec, inputs, pool: pool.name, home: here.home, reason: result.explanation.moveReason });
    if (nodeMove && "failure" in nodeMove) return nodeMove;
    if (nodeMove) inputs.migration = nodeMove.migration;
  }
  if (here.unfinished) inputs.recovery = `the interrupted move to ${here.unfinished.target.cluster} is rolled back`;
  const cleanup = [old.cleanup, describeExpired(here, session.pace.nowMs())].filter((text) => text !== undefined).join("; ");
  if (cleanup !== "") inputs.cleanup = cleanup;
  return { inputs };
}

/** @returns why it cannot grow in place by as much as is declared */
async function findGrowthShortage(
  session: Session,
  spec: DiskSpec,
  before: DiskInputs | undefined,
  { placement, __live: live, __sizeBytes: wantedBytes }: DiskInputs,
): Promise<string | undefined> {
  if (!before || !live || live.cluster !== placement.cluster || wantedBytes <= before.__sizeBytes) return undefined;
  const owner = await readMarkedGuest({ api: await session.client(live.cluster), node: live.node, vmid: live.vmid });
  const volid = owner && volidOf(owner);
  // It may have grown already, through the guest that uses it or in an interrupted run.
  const haveBytes = volid === undefined ? before.__sizeBytes : await listedSizeBytes(session, owner!.ref, volid);
  const at = { cluster: live.cluster, node: live.node, storage: placement.storages[0]! };
  const shortage = await findShortage(session, at, wantedBytes - haveBytes);
  return shortage && `Disk ${spec.name} cannot grow: ${shortage}. Free space there, or declare less.`;
}

/** The preview of any update hides the guest's vmid, and only another cluster changes it. */
function formerVmid(before: DiskInputs | undefined, cluster: string): number | string {
  return before?.__attachTo?.cluster === cluster ? before.__attachTo.vmid : UNKNOWN;
}

function priorOf(here: Whereabouts, before: DiskInputs | undefined): Placement | undefined {
  if (!here.home) return before && { cluster: before.placement.cluster, node: before.placement.node, storages: before.placement.storages };
  const storages = before?.placement.cluster === here.home.cluster ? before.placement.storages : [];
  return { cluster: here.home.cluster, node: here.home.row.node, storages };
}

function refuseInPlaceChange(before: DiskInputs | undefined, inputs: DiskInputs): string | undefined {
  if (!before) return undefined;
  if (inputs.__sizeBytes < before.__sizeBytes)
    return `size ${inputs.__sizeBytes} bytes is less than the disk's ${before.__sizeBytes}: disks only grow. Declare at least its size`;
  if (before.placement.cluster !== inputs.placement.cluster) return undefined;
  if (before.placement.storages[0] !== inputs.placement.storages[0])
    return `moving a disk from storage ${before.placement.storages[0]} to ${inputs.placement.storages[0]} inside a cluster is not supported by this version: keep its storageClass`;
  return undefined;
}

async function planDiskMove(
  session: Session,
  spec: DiskSpec,
  pool: ResourcePool,
  inputs: DiskInputs,
  here: Whereabouts,
  reason: string | undefined,
): Promise<{ inputs: DiskInputs } | { failure: string }> {
  const home = here.home!;
  const { placement } = inputs;
  const [storage] = placement.storages;
  const { cluster, row } = home;
  // What travels is the disk as it is, not as it was declared before it grew through its guest.
  const sizeBytes = Math.max(inputs.__sizeBytes, (await findGrownSizeBytes(session, { cluster, node: row.node, vmid: row.vmid })) ?? 0);
  const planned = await planMove(session, {
    what: `Disk ${spec.name}`,
    here: { ...here, home },
    guest: `owner vm ${home.row.vmid}`,
    placement,
    pool,
    disks: placement.storages.map((id) => ({ storage: id, sizeBytes })),
    restoreStorage: storage,
    bridges: [],
    declared: {},
    reason: spec.attachTo ? "it follows the VM it is attached to" : reason,
    // Attached, it follows a guest that has moved already: outside the window it would be left behind.
    follows: spec.attachTo !== undefined,
  });
  if ("failure" in planned) return planned;
  return { inputs: { ...inputs, __route: planned.route, migration: planned.migration } };
}
