/** What Kubernetes and the simulated clusters hold, side by side: which disk a claim's data is on, and what nobody needs any more. */
import type * as library from "@kubernetes/client-node";
import { parseVolumeHandle, volidOfHandle } from "../../../src/kubernetes";
import { listChecksums } from "../../../src/simulator/checksums";
import { findLeftovers, listGuests } from "../../integration/support/federation-view";
import { type KubernetesSite, WORKERS } from "./kubernetes-site";

/** A claim with the disk behind it. */
export interface ClaimView {
  /** `region/zone` of the handle of the PersistentVolume it is bound to. */
  place: string;
  persistentVolume: string;
  /** Of claim and PersistentVolume. */
  phases: string;
  capacity: string | undefined;
  sizeBytes: number;
  sha256: string;
  blockCount: number;
}

const CLUSTERS: Record<string, string> = { "eu-ams": "amsterdam", "eu-fra": "frankfurt" };

/** Every claim of the default namespace by name. @throws when one has no PersistentVolume, or that no disk or several */
export async function listClaims({ core, federation }: KubernetesSite): Promise<Record<string, ClaimView>> {
  const volumes = new Map((await core.listPersistentVolume()).items.map((volume) => [volume.metadata!.name!, volume]));
  const disks = listChecksums(federation.simulator.world.state).filter(({ drive }) => drive === undefined);
  const claims = (await core.listNamespacedPersistentVolumeClaim({ namespace: "default" })).items;
  return Object.fromEntries(claims.map((claim) => [claim.metadata!.name!, viewClaim(claim, volumes, disks)]));
}

function viewClaim(
  { metadata, spec, status }: library.V1PersistentVolumeClaim,
  volumes: Map<string, library.V1PersistentVolume>,
  disks: ReturnType<typeof listChecksums>,
): ClaimView {
  const volume = volumes.get(spec?.volumeName ?? "");
  if (!volume) throw new Error(`claim ${metadata?.name} names PersistentVolume ${spec?.volumeName}, which is not there`);
  const handle = parseVolumeHandle(volume.spec!.csi!.volumeHandle);
  const found = disks.filter(
    ({ backend, volids }) =>
      volids.some(({ cluster, volid }) => cluster === CLUSTERS[handle.region] && volid === volidOfHandle(handle)) &&
      backend.endsWith(`@${handle.zone}`),
  );
  if (found.length !== 1) throw new Error(`${found.length} disks are ${volume.spec!.csi!.volumeHandle} of claim ${metadata?.name}`);
  const { sizeBytes, sha256, blockCount } = found[0]!;
  return {
    place: `${handle.region}/${handle.zone}`,
    persistentVolume: volume.metadata!.name!,
    phases: `${status?.phase} ${volume.status?.phase}`,
    capacity: volume.spec!.capacity?.storage,
    sizeBytes,
    sha256,
    blockCount,
  };
}

/** Everything that should not be there when no operation is under way, in words. */
export async function findLitter(site: KubernetesSite): Promise<string[]> {
  const { world } = site.federation.simulator;
  const workers = WORKERS.map(({ name }) => `(${name})`);
  const inProxmox = findLeftovers(world).filter((finding) => !workers.some((name) => finding.includes(name)));
  const volumes = (await site.core.listPersistentVolume()).items;
  const claimed = new Set(
    (await site.core.listNamespacedPersistentVolumeClaim({ namespace: "default" })).items.map(({ spec }) => spec?.volumeName),
  );
  const inKubernetes = volumes.flatMap(({ metadata }) => [
    ...(claimed.has(metadata!.name!) ? [] : [`PersistentVolume ${metadata!.name} has no claim`]),
    ...(metadata!.annotations?.["proxmox-federation/release"] === undefined
      ? []
      : [`PersistentVolume ${metadata!.name} keeps the note of a move`]),
    ...(metadata!.deletionTimestamp === undefined ? [] : [`PersistentVolume ${metadata!.name} is being deleted`]),
  ]);
  const owners = listGuests(world).filter(({ mark }) => mark?.kind === "disk").length;
  if (owners !== volumes.length) inKubernetes.push(`${owners} owners of disks serve ${volumes.length} PersistentVolumes`);
  return [...inProxmox, ...inKubernetes];
}
