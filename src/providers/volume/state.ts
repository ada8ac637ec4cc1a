/** What `check` adds to a volume's inputs, and its outputs. */
import type { MigrationSummary, MoveRecord } from "../../migration";
import type { FailoverSummary } from "../failover/plan";
import type { Inputs } from "../inputs";

export const COMPUTED_KEYS = ["placement", "migration", "failover", "recovery", "cleanup", "adoption", "drift"] as const;
export const OUTPUT_KEYS = ["persistentVolume", "volumeHandle", "ownerVmid", "volid", "sizeBytes", "lastMove"] as const;

export interface VolumePlacement {
  /** Region of the cluster, as Kubernetes knows it. */
  region: string;
  /** The node; absent on a storage that the whole cluster shares. */
  zone?: string;
  cluster: string;
  node: string;
  storages: string[];
  why: string;
}

/** A volume that was taken over and has no owner of ours: the mark is on its PersistentVolume and nowhere else. */
export interface AdoptedVolume {
  persistentVolume: string;
  volumeHandle: string;
  volid: string;
  /** As the disk is to be, at least. */
  sizeBytes: number;
}

export interface VolumeInputs {
  placement: VolumePlacement;
  migration?: MigrationSummary;
  /** Only when its cluster is lost and its disk is restored elsewhere. */
  failover?: FailoverSummary;
  /** What an interrupted run has left to be put right. */
  recovery?: string;
  /** What becomes of former copies of its disk. */
  cleanup?: string;
  /** What is taken over, and what that does to it. */
  adoption?: string;
  __adopted?: AdoptedVolume;
  /** PersistentVolume that `federate volumes move` hands over, with its owner. */
  __handedOver?: string;
  /** Checked inputs of the disk behind the volume; empty while `__adopted` has no owner. */
  __disk: Inputs;
  /** See `FIXED_KEYS`, with defaults. */
  __fixed: Inputs;
}

export interface VolumeOutputs extends VolumeInputs {
  /** Name of the PersistentVolume; another one after a move. */
  persistentVolume: string;
  volumeHandle: string;
  /** The stopped guest that owns the disk. */
  ownerVmid: number;
  volid: string;
  sizeBytes: number;
  lastMove?: MoveRecord;
  drift?: string[];
  /** The `adoption` that was carried out. */
  __adoption?: string;
  /** That of the PersistentVolume and its disk. */
  __generation: number;
}

/** Whether a guest of ours owns the disk, or is to own it. */
export function ownsDisk(inputs: Inputs): boolean {
  const { __adopted, __disk } = readVolumeInputs(inputs);
  return __adopted === undefined || Object.keys(__disk).length > 0;
}

export function readVolumeInputs(inputs: Inputs): VolumeInputs {
  return inputs as unknown as VolumeInputs;
}

export function readVolumeOutputs(outputs: Inputs): VolumeOutputs {
  return outputs as unknown as VolumeOutputs;
}
