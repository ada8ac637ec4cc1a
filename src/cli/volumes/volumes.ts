/** PersistentVolumes of the Proxmox CSI driver, as commands show them. */
import {
  CSI_DRIVER,
  createKubernetesClient,
  findVolumeMark,
  type KubernetesApi,
  type PersistentVolume,
  parseStorageQuantity,
  parseVolumeHandle,
  type VolumeHandle,
  type VolumeMark,
} from "../../kubernetes";
import { FormatError } from "../../proxmox";
import { UsageError } from "../failure";

/** Which Kubernetes cluster is meant. */
export interface ConnectionOptions {
  kubeconfig?: string;
  context?: string;
}

export function connect({ kubeconfig, context }: ConnectionOptions): Promise<KubernetesApi> {
  return createKubernetesClient({ ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) });
}

export interface CsiVolume {
  name: string;
  /** `region/zone/storage/volume` */
  volumeHandle: string;
  /** Absent when the handle is not one of the plugin's. */
  handle?: VolumeHandle;
  sizeBytes: number;
  phase: string;
  /** `namespace/name` */
  claim?: string;
  /** Of the Pulumi program that made it; absent: the plugin's own, or made by hand. */
  mark?: VolumeMark;
  object: PersistentVolume;
}

/** By name. */
export async function listCsiVolumes(api: KubernetesApi): Promise<CsiVolume[]> {
  const volumes = await api.listVolumes();
  return volumes.flatMap(toCsiVolume).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function toCsiVolume(object: PersistentVolume): CsiVolume[] {
  const { metadata, spec, status } = object;
  if (spec?.csi?.driver !== CSI_DRIVER) return [];
  const volumeHandle = spec.csi.volumeHandle;
  const claim = spec.claimRef ? `${spec.claimRef.namespace}/${spec.claimRef.name}` : undefined;
  const mark = findVolumeMark(object);
  const handle = findHandle(volumeHandle);
  return [
    {
      name: metadata?.name ?? "",
      volumeHandle,
      ...(handle ? { handle } : {}),
      sizeBytes: parseStorageQuantity(spec.capacity?.storage ?? "0"),
      phase: status?.phase ?? "Pending",
      ...(claim === undefined ? {} : { claim }),
      ...(mark ? { mark } : {}),
      object,
    },
  ];
}

/** Somebody may have written anything into a PersistentVolume made by hand. */
function findHandle(text: string): VolumeHandle | undefined {
  try {
    return parseVolumeHandle(text);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Name of the resource in its program. */
export function resourceName(mark: VolumeMark): string {
  return mark.name.replace(/^pv\//, "");
}

/**
 * The volume of that PersistentVolume, claim (`namespace/name`) or resource of a program. Of the two PersistentVolumes that one
 * resource has while it moves, the newer.
 *
 * @throws UsageError when there is none, or resources of several stacks have that name
 */
export function requireVolume(volumes: readonly CsiVolume[], wanted: string): CsiVolume {
  const exact = volumes.find(({ name, claim }) => name === wanted || claim === wanted);
  if (exact) return exact;
  const named = volumes.filter(({ mark }) => mark !== undefined && resourceName(mark) === wanted);
  const stacks = [...new Set(named.map(({ mark }) => mark!.stack))].sort();
  if (stacks.length > 1)
    throw new UsageError(`Volumes of ${stacks.join(" and ")} are called ${wanted}. Give the PersistentVolume's name or namespace/claim.`);
  const [newest] = [...named].sort((a, b) => b.mark!.generation - a.mark!.generation);
  if (newest) return newest;
  throw new UsageError(
    `No volume of the Proxmox CSI driver is called ${wanted}. Give a PersistentVolume, namespace/claim, or the name in the program; "federate volumes list" shows them.`,
  );
}
