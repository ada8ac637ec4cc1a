/** `check` of a volume: where its disk goes, and whether it may go there now. */
import { isDeepStrictEqual } from "node:util";
import type { Federation } from "../../config";
import { isKubernetesError, type PersistentVolume, parseVolumeHandle } from "../../kubernetes";
import type { Company } from "../../placement";
import { summarizeNodeMove } from "../disk/node-move";
import { findGrownSizeBytes } from "../disk/owner";
import { checkDisk } from "../disk/plan";
import { readDiskInputs } from "../disk/state";
import { engineInputs, hasUnknown, type IdentityInput, type Inputs, UNKNOWN, userInputs, withoutUndefined } from "../inputs";
import { findShortage } from "../room";
import { type CheckFailure, toFailures } from "../schema";
import type { Session } from "../session";
import { adoptionOf, planAdoption } from "./adoption/plan";
import { identityOfVolume } from "./context";
import { toDiskInputs } from "./disk-inputs";
import { kubernetesOf, listRegistrationsOnce, type Registration } from "./kubernetes";
import { describePlace, regionOfCluster, samePlace, storageReach } from "./place";
import { findReleaseNote, findUse, refuseClaimLoss } from "./release";
import { pinOfDisk, refuseReplication } from "./replica-plan";
import { FIXED_KEYS, type VolumeSpec, volumeSchema } from "./spec";
import { COMPUTED_KEYS, type VolumeInputs, type VolumePlacement } from "./state";
import { describeUse } from "./usage";
import { findWorkers, hasWorker } from "./workers";

type Planned = { inputs: Omit<VolumeInputs, "__fixed"> } | { failure: string };
type Checked = { inputs: Inputs; failures: CheckFailure[] };

/** Inputs that placement does not need: another resource may have yet to make what they name. */
const LATE_KEYS = ["kubernetes", "claim", "luks", "quiesce", "storageClassName"];

export async function checkVolume(session: Session, olds: Inputs, news: Inputs): Promise<Checked> {
  const own = userInputs(news, COMPUTED_KEYS);
  const early = Object.fromEntries(Object.entries(own).filter(([key, value]) => !(LATE_KEYS.includes(key) && hasUnknown(value))));
  const late = Object.keys(early).length < Object.keys(own).length;
  if (hasUnknown(early) || hasUnknown(news.__poolDefinition)) return unplaced(own, news);
  const parsed = volumeSchema.safeParse({ name: (news.__identity as IdentityInput).name, ...early });
  if (!parsed.success) return { inputs: news, failures: toFailures(parsed.error) };
  const before = olds.placement === undefined || olds.placement === UNKNOWN ? undefined : (olds as unknown as VolumeInputs);
  const fixed = JSON.parse(JSON.stringify(Object.fromEntries(FIXED_KEYS.map((key) => [key, parsed.data[key]])))) as Inputs;
  const refusal = refuseChange(before, fixed, own);
  if (refusal) return { inputs: news, failures: [refusal] };

  const federation = await session.federation();
  const identity = await identityOfVolume(session, news);
  const adopt = await adoptionOf(session, parsed.data, before, identity);
  // What is taken over can only be told by a look at Kubernetes.
  if (adopt && late) return unplaced(own, news);
  if (adopt) return finish(own, news, fixed, await planAdoption(session, { spec: parsed.data, news, before, federation, identity, adopt }));
  const company = await companyOf(session, parsed.data, own);
  const pin = await pinOfDisk(session, federation, parsed.data, identity);
  const disk = await checkDisk(session, before?.__disk ?? {}, toDiskInputs(news, parsed.data, pin, company));
  if (disk.failures.length > 0) return { inputs: news, failures: disk.failures };
  if (disk.inputs.placement === UNKNOWN) return unplaced(own, news);
  return finish(
    own,
    news,
    fixed,
    await planVolume(session, { spec: parsed.data, news, before, federation, disk: disk.inputs, late, company }),
  );
}

/** With a zone the program has decided; without one the volume goes where pods can use it. */
async function companyOf(session: Session, spec: VolumeSpec, own: Inputs): Promise<Company | undefined> {
  if (spec.zone !== undefined || spec.replicate || !spec.besideWorkers) return undefined;
  if (!hasUnknown(own.kubernetes)) return findWorkers(session, spec.kubernetes);
  session.pace.report(`warning: volume ${spec.name} is placed without regard to the Kubernetes workers: its cluster is not known yet`);
  return undefined;
}

function finish(own: Inputs, news: Inputs, fixed: Inputs, planned: Planned): Checked {
  if ("failure" in planned) return { inputs: news, failures: [{ property: "", reason: planned.failure }] };
  return { inputs: withoutUndefined({ ...own, ...engineInputs(news), ...planned.inputs, __fixed: fixed }), failures: [] };
}

function unplaced(own: Inputs, news: Inputs): Checked {
  return { inputs: { ...own, ...engineInputs(news), placement: UNKNOWN }, failures: [] };
}

/** Kubernetes fixes these when the PersistentVolume is made, or the filesystem on the disk does. */
function refuseChange(before: VolumeInputs | undefined, fixed: Inputs, own: Inputs): CheckFailure | undefined {
  if (!before) return undefined;
  // The engine orders keys in its own way.
  for (const key of FIXED_KEYS)
    if (!isDeepStrictEqual(before.__fixed[key], fixed[key]))
      return {
        property: key,
        reason: `cannot be changed once the volume exists (it was ${JSON.stringify(before.__fixed[key] ?? null)}): declare another volume and copy the data`,
      };
  if (own.replicate !== undefined && own.region !== before.placement.region)
    return {
      property: "region",
      reason: `a replicated volume does not change its region (it is in ${before.placement.region}): declare another volume there and copy the data`,
    };
  const claimOf = (inputs: Inputs) => inputs.claim as { namespace: string; name: string } | undefined;
  const [former, claim] = [claimOf(before as unknown as Inputs), claimOf(own)];
  if (!former || hasUnknown(claim) || (claim?.namespace === former.namespace && claim.name === former.name)) return undefined;
  return {
    property: "claim",
    reason: `the volume is bound to claim ${former.namespace}/${former.name}, which cannot be changed: declare another volume, or keep the claim`,
  };
}

interface Planning {
  spec: VolumeSpec;
  news: Inputs;
  before: VolumeInputs | undefined;
  federation: Federation;
  /** Checked inputs of the disk. */
  disk: Inputs;
  /** Something that only Kubernetes needs is not known yet. */
  late: boolean;
  /** Zones that have a worker, where that counts. */
  company: Company | undefined;
}

async function planVolume(session: Session, planning: Planning): Promise<Planned> {
  const { spec, news, before, federation, disk, late, company } = planning;
  const {
    placement: at,
    migration,
    failover,
    recovery,
    cleanup,
    __live: live,
    __pool: pool,
    __sizeBytes: sizeBytes,
  } = readDiskInputs(disk);
  const storage = at.storages[0]!;
  const reach = await storageReach(session, at.cluster, storage);
  const { shared } = reach;
  if (spec.shared !== undefined && spec.shared !== shared)
    return {
      failure: `Volume ${spec.name} is declared as ${spec.shared ? "shared" : "not shared"}, but storage ${storage} of ${at.cluster} is ${shared ? "shared by its nodes" : "local to each node"}: choose another storageClass, or leave shared out`,
    };
  const isNew = !before && !live;
  const addedBytes = isNew ? sizeBytes : before ? sizeBytes - readDiskInputs(before.__disk).__sizeBytes : 0;
  const unreplicated = await refuseReplication(session, { spec, cluster: at.cluster, storage, pool, isNew, addedBytes });
  if (unreplicated !== undefined) return { failure: `Volume ${spec.name}: ${unreplicated}` };
  // Its zone is of no account where pods of several zones reach it.
  const zoned = !shared && !spec.replicate;
  const placement: VolumePlacement = {
    region: regionOfCluster(federation, at.cluster),
    ...(zoned ? { zone: at.node } : {}),
    ...at,
    why: before && before.placement.cluster === at.cluster && before.placement.node === at.node ? before.placement.why : at.why,
  };
  const inputs: Omit<VolumeInputs, "__fixed"> = {
    placement,
    ...(migration ? { migration } : {}),
    ...(failover ? { failover } : {}),
    ...(recovery ? { recovery } : {}),
    ...(cleanup ? { cleanup } : {}),
    __disk: disk,
  };
  const livePlace = live && {
    cluster: live.cluster,
    region: regionOfCluster(federation, live.cluster),
    ...(zoned ? { zone: live.node } : {}),
  };
  // An interrupted run has moved it to another cluster: what the state says is a retired source.
  const hasMoved = before !== undefined && livePlace !== undefined && livePlace.cluster !== before.placement.cluster;
  const home = hasMoved ? livePlace : (before?.placement ?? livePlace);
  const registrations = late || !(before || live) ? [] : await lookAtRegistrations(session, spec, news);
  if (!home || samePlace(home, placement)) {
    if (home && company && !hasWorker(company, placement, reach))
      session.pace.report(
        `warning: volume ${spec.name} stays in ${describePlace(placement)}, but there is no Kubernetes worker: no pod can use it there`,
      );
    const interrupted = registrations.find(findReleaseNote);
    if (live && placement.zone !== undefined && live.node !== placement.zone)
      inputs.recovery = `its disk is on node ${live.node} and goes back to ${placement.zone}`;
    if (interrupted) inputs.recovery = `the interrupted move of ${interrupted.name} is undone: claim and workload are put back`;
    return { inputs };
  }
  const refusal = await refuseMove(session, spec, news, { home, placement, newest: registrations[0], why: at.why });
  if (refusal !== undefined) return { failure: refusal };
  if (failover || inputs.migration) return { inputs };
  const [from, to] = [describePlace(home), describePlace(placement)];
  // It may have grown through its claim, and placement has found room for what is declared.
  const grownBytes = (live && (await findGrownSizeBytes(session, live))) ?? 0;
  const arrived = live?.node === placement.node;
  const shortage = grownBytes > spec.size && !arrived ? await findShortage(session, { ...at, storage }, grownBytes) : undefined;
  if (shortage !== undefined)
    return { failure: `Volume ${spec.name} must leave ${from} for ${to}, but has grown beyond its declared size: ${shortage}.` };
  inputs.migration = summarizeNodeMove({ from, to, sizeBytes: Math.max(spec.size, grownBytes), reason: placement.why });
  return { inputs };
}

/**
 * A Kubernetes cluster that does not answer now must not keep the rest of the program from being planned; whatever changes
 * something asks it again.
 */
async function lookAtRegistrations(session: Session, spec: VolumeSpec, news: Inputs): Promise<Registration[]> {
  try {
    return await listRegistrationsOnce(session, spec.kubernetes, await identityOfVolume(session, news));
  } catch (error) {
    if (!isKubernetesError(error, "UNREACHABLE")) throw error;
    session.pace.report(`warning: volume ${spec.name} is planned without a look at Kubernetes: ${error.message}`);
    return [];
  }
}

interface Move {
  home: { region: string; zone?: string };
  placement: VolumePlacement;
  newest: Registration | undefined;
  why: string;
}

async function refuseMove(session: Session, spec: VolumeSpec, news: Inputs, move: Move): Promise<string | undefined> {
  const where = `Volume ${spec.name} must leave ${describePlace(move.home)} for ${describePlace(move.placement)}`;
  const use = move.newest && isAt(move.newest.volume, move.home) ? await findUseOf(session, spec, news, move.newest) : undefined;
  const used = use && describeUse(use);
  if (!spec.allowMove)
    return `${where} (${move.why}), but pods cannot follow it there by themselves${used === undefined ? "" : `, and it is in use: ${used}`}. Set allowMove: true to move its data, or keep its region and zone.`;
  if (used === undefined || use === undefined) return undefined;
  if (!spec.quiesce) return `${where}, but it is in use: ${used}. Scale the workload down first, or name it as quiesce.`;
  const foreign = use.pods.filter((pod) => !use.ownPods.includes(pod));
  if (foreign.length > 0)
    return `${where}, but pods that do not belong to ${spec.quiesce.kind} ${spec.quiesce.namespace}/${spec.quiesce.name} use it: ${foreign.join(", ")}. Stop them first.`;
  const loss = await refuseClaimLoss(await kubernetesOf(session, spec.kubernetes), spec.quiesce);
  return loss && `${where}, but ${loss}.`;
}

async function findUseOf(session: Session, spec: VolumeSpec, news: Inputs, newest: Registration) {
  const identity = await identityOfVolume(session, news);
  return findUse({ session, inputs: news, spec, identity, kubernetes: await kubernetesOf(session, spec.kubernetes) }, newest);
}

export function isAt(volume: PersistentVolume, place: { region: string; zone?: string }): boolean {
  return samePlace(parseVolumeHandle(volume.spec?.csi?.volumeHandle ?? ""), place);
}
