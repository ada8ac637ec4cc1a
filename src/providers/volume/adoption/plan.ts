/** `check` of a volume that is taken over: what it is, and whether it may stay where it is. */
import { type Federation, formatSize } from "../../../config";
import { isKubernetesError, parseFlag } from "../../../kubernetes";
import { type Identity, identityTag } from "../../../migration";
import { placeOne } from "../../../placement";
import { parseVolid } from "../../../proxmox";
import { checkDisk } from "../../disk/plan";
import { toDiskRequest } from "../../disk/request";
import { diskSchema } from "../../disk/spec";
import { type Inputs, UNKNOWN } from "../../inputs";
import { alreadyPlanned } from "../../peers";
import { resolvePool } from "../../pool/resolve";
import { findShortage } from "../../room";
import type { Session } from "../../session";
import { toDiskInputs } from "../disk-inputs";
import { kubernetesOf } from "../kubernetes";
import { describePlace, regionOfCluster } from "../place";
import { hasReleaseNote } from "../release";
import type { VolumeSpec } from "../spec";
import type { VolumeInputs, VolumePlacement } from "../state";
import { describeUse, findKubernetesUse } from "../usage";
import { type Adoptee, type AdoptInput, findAdoptee } from "./adoptee";
import { describeMismatch } from "./match";

type Planned = { inputs: Omit<VolumeInputs, "__fixed"> } | { failure: string };

interface Planning {
  spec: VolumeSpec;
  news: Inputs;
  before: VolumeInputs | undefined;
  federation: Federation;
  identity: Identity;
  adopt: AdoptInput;
}

const MIB = 1024 * 1024;
const DISK_UNIT_BYTES = 4 * MIB;

/**
 * The adoption that the volume still is. Undefined for one that was made as such, and as soon as a guest of ours owns the
 * disk: from then on it is a volume like any other, and `adopt` may stay in the program.
 */
export async function adoptionOf(
  session: Session,
  spec: VolumeSpec,
  before: VolumeInputs | undefined,
  identity: Identity,
): Promise<AdoptInput | undefined> {
  if (before && !before.__adopted) return undefined;
  const { persistentVolume } = before?.__adopted ?? {};
  const adopt = spec.adopt ?? (persistentVolume === undefined ? undefined : { persistentVolume, takeOwnership: false });
  return adopt && (await session.ownedGuests(identity)).length === 0 ? adopt : undefined;
}

export async function planAdoption(session: Session, planning: Planning): Promise<Planned> {
  const { spec, before, identity, adopt } = planning;
  const api = await kubernetesOf(session, spec.kubernetes);
  let adoptee: Adoptee;
  try {
    adoptee = await findAdoptee(session, api, adopt, identity);
  } catch (error) {
    // As for every volume: one that is settled is planned without Kubernetes, and nothing is changed without it.
    if (!before?.__adopted || adopt.takeOwnership || !isKubernetesError(error, "UNREACHABLE")) throw error;
    session.pace.report(`warning: volume ${spec.name} is planned without a look at Kubernetes: ${error.message}`);
    return { inputs: { placement: before.placement, __adopted: before.__adopted, __disk: {} } };
  }
  const { persistentVolume: former } = before?.__adopted ?? {};
  if (former !== undefined && former !== adoptee.name)
    return { failure: `Volume ${spec.name} is PersistentVolume ${former}; another one (${adoptee.name}) is another resource.` };
  const refusal =
    describeMismatch(spec, adoptee) ??
    refusePlace(planning, adoptee) ??
    (await refuseByRules(session, planning, adoptee)) ??
    (await refuseGrowth(session, spec, adoptee));
  if (refusal !== undefined) return { failure: `Volume ${spec.name}: ${refusal}` };
  if (adoptee.handedOver) return planHandover(session, planning, adoptee);
  return adopt.takeOwnership ? planOwnership(session, planning, adoptee) : { inputs: inputsInPlace(planning, adoptee) };
}

function inputsInPlace(planning: Planning, adoptee: Adoptee): Omit<VolumeInputs, "__fixed"> {
  const { spec } = planning;
  const wanted = Math.ceil(spec.size / DISK_UNIT_BYTES) * DISK_UNIT_BYTES;
  return {
    placement: placementOf(planning, adoptee),
    ...(adoptee.ours && hasReleaseNote(adoptee.volume)
      ? { recovery: "it was taken out of use by an interrupted run: claim and workload are put back" }
      : {}),
    ...(adoptee.ours ? {} : { adoption: `${describe(adoptee)} is taken over as it is: nothing is copied or renamed` }),
    __adopted: {
      persistentVolume: adoptee.name,
      volumeHandle: adoptee.volumeHandle,
      volid: adoptee.volid,
      sizeBytes: Math.max(wanted, adoptee.sizeBytes),
    },
    __disk: {},
  };
}

/** The same disk under a name of its owner's: from then on it grows, moves and is deleted like every other volume's. */
async function planOwnership(session: Session, planning: Planning, adoptee: Adoptee): Promise<Planned> {
  const { spec } = planning;
  const disk = await planDiskThere(session, planning, adoptee);
  if ("failure" in disk) return disk;
  const use = describeUse(await findKubernetesUse(await kubernetesOf(session, spec.kubernetes), adoptee.volume, spec.quiesce));
  if (use !== undefined && !spec.quiesce)
    return {
      failure: `Volume ${spec.name} gets an owner, but it is in use: ${use}. Scale the workload down first, or name it as quiesce.`,
    };
  if (parseFlag(adoptee.volume.spec?.csi?.volumeAttributes?.backup))
    session.pace.report(
      `warning: volume ${spec.name} is part of its worker's backups (backup: "1"); with an owner VM it is so no longer: back it up by other means`,
    );
  const inputs = inputsInPlace(planning, adoptee);
  return {
    inputs: {
      ...inputs,
      // The update goes on with what was interrupted.
      recovery: undefined,
      adoption: `${describe(adoptee)} gets an owner VM: its disk is renamed, not copied, with a new PersistentVolume${use === undefined ? "" : "; its pods restart"}`,
      __disk: disk.inputs,
    },
  };
}

/** The command has given it an owner: only the marks change. */
async function planHandover(session: Session, planning: Planning, adoptee: Adoptee): Promise<Planned> {
  const disk = await planDiskThere(session, planning, adoptee);
  if ("failure" in disk) return disk;
  return {
    inputs: {
      placement: placementOf(planning, adoptee),
      adoption: `${describe(adoptee)} is handed over by "federate volumes move": only marks change`,
      __handedOver: adoptee.name,
      __disk: disk.inputs,
    },
  };
}

/** What is there already is no new demand on the storage. */
async function planDiskThere(session: Session, planning: Planning, adoptee: Adoptee): Promise<{ inputs: Inputs } | { failure: string }> {
  const { spec, news } = planning;
  const { cluster, node, storages, why } = placementOf(planning, adoptee);
  const disk = await checkDisk(
    session,
    // `prior` says so.
    { placement: { cluster, node, storages, why }, __sizeBytes: 0 },
    toDiskInputs(news, spec, { cluster, node }),
  );
  const [failure] = disk.failures;
  if (failure) return { failure: failure.reason };
  if (disk.inputs.placement === UNKNOWN) return { failure: `Volume ${spec.name}: its place is not known yet.` };
  return { inputs: disk.inputs };
}

function placementOf({ federation, before }: Planning, { cluster, node, shared, volid }: Adoptee): VolumePlacement {
  return {
    region: regionOfCluster(federation, cluster),
    ...(shared ? {} : { zone: node }),
    cluster,
    node: shared && before?.placement.cluster === cluster ? before.placement.node : node,
    storages: [parseVolid(volid).storage],
    why: "it is there",
  };
}

function refusePlace({ spec, before }: Planning, { handle, shared, sizeBytes }: Adoptee): string | undefined {
  const elsewhere =
    (spec.region !== undefined && spec.region !== handle.region) || (!shared && spec.zone !== undefined && spec.zone !== handle.zone);
  if (!elsewhere && !before && spec.size > sizeBytes)
    return `its disk has ${formatSize(sizeBytes)}, less than the declared ${formatSize(spec.size)}: take it over with its size, then let it grow`;
  if (!elsewhere) return undefined;
  const target = { region: spec.region ?? handle.region, ...(spec.zone === undefined ? {} : { zone: spec.zone }) };
  const wish = `it is in ${describePlace(handle)}, not in ${describePlace(target)}`;
  return before
    ? `${wish}, and no guest of ours owns its disk, by which it could move. Keep its place and set adopt.takeOwnership: true for one run, then change the place`
    : `${wish}. It is taken over where it is`;
}

/** Rules of the pool hold for it too. Its bytes are on the storage already and ask for no room. */
async function refuseByRules(session: Session, { spec, news, identity }: Planning, adoptee: Adoptee): Promise<string | undefined> {
  const key = identityTag(identity);
  const pool = await resolvePool(session, spec.pool, news);
  const { cluster, node, volid } = adoptee;
  const { storage } = parseVolid(volid);
  const disk = diskSchema.parse({
    name: spec.name,
    size: spec.size,
    storageClass: spec.storageClass,
    location: spec.location,
    residency: spec.residency,
  });
  const request = toDiskRequest({ ...disk, pin: { cluster, node } }, pool, key, { cluster, node, storages: [storage] });
  const weightless = { ...request, disks: request.disks.map((each) => ({ ...each, sizeBytes: 0 })) };
  const { promised } = await alreadyPlanned(session, news, pool, key);
  const result = placeOne(weightless, await session.inventory(), promised);
  if (!result.ok) return `it cannot be taken over on ${cluster}/${node}: ${result.message}`;
  const [wanted] = result.placement.storages;
  return wanted === storage
    ? undefined
    : `it is on storage ${storage}, and its storage class means ${wanted}: declare the class of the storage it is on`;
}

async function refuseGrowth(session: Session, spec: VolumeSpec, { cluster, node, volid, sizeBytes }: Adoptee): Promise<string | undefined> {
  const shortage = await findShortage(session, { cluster, node, storage: parseVolid(volid).storage }, spec.size - sizeBytes);
  return shortage && `it cannot grow: ${shortage}. Free space there, or declare less`;
}

/** As long as the plugin's own names: the engine shows 150 characters of a value, and what is done must be among them. */
const LONGEST_NAME = 40;

function describe({ name, sizeBytes }: Adoptee): string {
  return `${name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name} (${formatSize(sizeBytes)})`;
}
