/** `federate volumes where` and `used-by`: one volume in Kubernetes and on its Proxmox cluster. Changes nothing. */
import { type Cluster, type Federation, roundedSize } from "../../config";
import { withinDeadline } from "../../inventory";
import { type VolumeHandle, volidOfHandle, zonesOf } from "../../kubernetes";
import { ownerVmidOf } from "../../migration";
import { GuestUse } from "../../providers/volume/guest-use";
import { describeUse, findKubernetesUse, type VolumeUse } from "../../providers/volume/usage";
import type { ProxmoxApi } from "../../proxmox";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode } from "../exit-codes";
import { UsageError } from "../failure";
import type { Format } from "../formats";
import type { CliIo } from "../io";
import { writeResult } from "../output";
import { withClients } from "../with-clients";
import { table } from "../words";
import { type ConnectionOptions, type CsiVolume, connect, listCsiVolumes, requireVolume, resourceName } from "./volumes";

export interface LocateOptions extends ConnectionOptions {
  format: Format;
}

export interface VolumePlace {
  volume: string;
  volumeHandle: string;
  cluster: string;
  region: string;
  /** Absent: several nodes reach it. */
  zone?: string;
  /** Those that pods may run in; absent: every one of the region. */
  zones?: string[];
  volid: string;
  /** Vmid in the disk's name. */
  ownerVmid?: number;
  /** Node on which the owner is, where a guest has that vmid. */
  ownerNode?: string;
  sizeBytes: number;
  claim?: string;
  resource?: { name: string; stack: string };
}

export async function whereIsVolume(file: string, wanted: string, options: LocateOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const volume = requireVolume(await listCsiVolumes(await connect(options)), wanted);
  const place = await onItsCluster(federation, file, volume, io, async (api, cluster, handle) => placeOf(volume, handle, cluster, api));
  writeResult(io.stdout, options.format, place, () => placeText(place));
  return EXIT.ok;
}

export async function whoUsesVolume(file: string, wanted: string, options: LocateOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const kubernetes = await connect(options);
  const volume = requireVolume(await listCsiVolumes(kubernetes), wanted);
  const { pods, attachments } = await findKubernetesUse(kubernetes, volume.object);
  const guests = await onItsCluster(federation, file, volume, io, (api, _cluster, handle) =>
    new GuestUse(api).findNow(volidOfHandle(handle), handle.zone),
  );
  const use: Omit<VolumeUse, "ownPods"> = { pods, attachments, guests };
  writeResult(
    io.stdout,
    options.format,
    { volume: volume.name, ...use },
    () => describeUse(use)?.replaceAll("; ", "\n") ?? "nobody uses it",
  );
  return EXIT.ok;
}

async function onItsCluster<T>(
  federation: Federation,
  file: string,
  { name, handle, volumeHandle }: CsiVolume,
  io: CliIo,
  ask: (api: ProxmoxApi, cluster: Cluster, handle: VolumeHandle) => Promise<T>,
): Promise<T> {
  if (!handle)
    throw new UsageError(`The volumeHandle of PersistentVolume ${name}, "${volumeHandle}", is not one of the Proxmox CSI plugin.`);
  const cluster = clusterOf(federation, name, handle);
  return withClients(file, io, async (clients) => {
    const api = await clients.get(cluster);
    // One that hangs shows at once, not after each of the calls has been repeated.
    await withinDeadline(cluster, (options) => api.getVersion(options));
    return await ask(api, cluster, handle);
  });
}

function clusterOf({ clusters }: Federation, volume: string, { region }: VolumeHandle): Cluster {
  const found = clusters.find((cluster) => cluster.region === region);
  if (found) return found;
  throw new UsageError(
    `PersistentVolume ${volume} is in region ${region}, which is no cluster's in the federation file (known: ${clusters.map((cluster) => cluster.region).join(", ")}).`,
  );
}

async function placeOf(volume: CsiVolume, handle: VolumeHandle, cluster: Cluster, api: ProxmoxApi): Promise<VolumePlace> {
  const volid = volidOfHandle(handle);
  const ownerVmid = ownerVmidOf(volid);
  const zones = zonesOf(volume.object);
  const owner = (await api.listResources()).find((row) => row.kind === "guest" && row.vmid === ownerVmid);
  return {
    volume: volume.name,
    volumeHandle: volume.volumeHandle,
    cluster: cluster.id,
    region: handle.region,
    ...(handle.zone === undefined ? {} : { zone: handle.zone }),
    ...(zones ? { zones } : {}),
    volid,
    ...(ownerVmid === undefined ? {} : { ownerVmid }),
    ...(owner?.kind === "guest" ? { ownerNode: owner.node } : {}),
    sizeBytes: volume.sizeBytes,
    ...(volume.claim === undefined ? {} : { claim: volume.claim }),
    ...(volume.mark ? { resource: { name: resourceName(volume.mark), stack: volume.mark.stack } } : {}),
  };
}

function placeText(place: VolumePlace): string {
  const { ownerVmid, ownerNode, resource } = place;
  const owner = ownerNode === undefined ? "no guest" : `vm ${ownerVmid} on ${ownerNode}`;
  return table([
    ["volume", place.volume],
    ["cluster", `${place.cluster} (region ${place.region})`],
    ["zone", place.zone ?? place.zones?.join(", ") ?? "all of the region"],
    ["disk", `${place.volid}, ${roundedSize(place.sizeBytes)}`],
    ["owned by", owner],
    ["claim", place.claim ?? "none"],
    ["made by", resource ? `${resource.name} of stack ${resource.stack}` : "no program of this product"],
  ]).join("\n");
}
