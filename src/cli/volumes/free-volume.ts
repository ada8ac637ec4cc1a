/** The volume that `federate volumes move` is to move, as the provider's code takes it. Pure. */
import type { Cluster } from "../../config";
import { sameVolume, type Workload } from "../../kubernetes";
import { FREE_STACK } from "../../migration";
import { declarationOf } from "../../providers/volume/free/declare";
import type { FreeVolume, Place } from "../../providers/volume/free/relocate";
import { UsageError } from "../failure";
import { type CsiVolume, resourceName } from "./volumes";

/** Whether nobody has it, or this command. */
export function isFree({ mark }: CsiVolume): boolean {
  return mark === undefined || mark.stack === FREE_STACK;
}

/** Of the PersistentVolumes that one volume has while it is taken over or moves, the one to go on with. */
export function currentOf(volume: CsiVolume, all: readonly CsiVolume[]): CsiVolume {
  const { mark } = volume;
  if (!mark) return volume;
  const own = all.filter((other) => other.mark !== undefined && sameVolume(other.mark, mark));
  const newest = [...own].sort((a, b) => b.mark!.generation - a.mark!.generation)[0];
  return own.find((other) => other.mark!.adopted) ?? newest ?? volume;
}

export interface DeclareOptions {
  storageClass?: string;
  pool?: string;
  kubeconfig?: string;
  context?: string;
  quiesce?: Workload;
}

/** @param clusters where it is and where it goes */
export function toFreeVolume(volume: CsiVolume, options: DeclareOptions, clusters: { source: Cluster; target: Cluster }): FreeVolume {
  const { name: persistentVolume, handle, mark, object } = volume;
  if (!handle) throw new UsageError(`The volumeHandle of PersistentVolume ${persistentVolume} is not one of the Proxmox CSI plugin.`);
  const name = mark ? resourceName(mark) : persistentVolume;
  const { storageClass = classOf(handle.storage, clusters), pool, kubeconfig, context, quiesce } = options;
  const at: Place = { region: handle.region, ...(handle.zone === undefined ? {} : { zone: handle.zone }) };
  return {
    name,
    at,
    declared: {
      ...declarationOf(object, name),
      storageClass,
      ...(pool === undefined ? {} : { pool }),
      ...(quiesce ? { quiesce } : {}),
      kubernetes: { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) },
    },
    ...(mark && !mark.adopted ? {} : { unowned: persistentVolume }),
  };
}

/** A logical class that means the storage it is on, and that the target has too. */
function classOf(storage: string, { source, target }: { source: Cluster; target: Cluster }): string {
  const there = target.storage.classes;
  const [found] = Object.keys(source.storage.classes)
    .filter((name) => source.storage.classes[name] === storage && there[name] !== undefined)
    .sort();
  if (found !== undefined) return found;
  if (source.storage.primary === storage && target.storage.primary !== undefined) return "";
  throw new UsageError(
    `No storage class of the federation file means storage ${storage} on ${source.id} and has a storage on ${target.id}. Declare one under clusters[].storage.classes, or name one with --storage-class.`,
  );
}
