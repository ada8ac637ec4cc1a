/** What `check` adds to a volume's inputs, and its outputs. */
import type { MigrationSummary, MoveRecord } from "../../migration";
import type { Inputs } from "../inputs";

export const COMPUTED_KEYS = ["placement", "migration", "recovery", "drift"] as const;
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

export interface VolumeInputs {
  placement: VolumePlacement;
  migration?: MigrationSummary;
  /** What an interrupted run has left to be put right. */
  recovery?: string;
  /** Checked inputs of the disk behind the volume. */
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
  /** That of the PersistentVolume and its disk. */
  __generation: number;
}

export function readVolumeInputs(inputs: Inputs): VolumeInputs {
  return inputs as unknown as VolumeInputs;
}

export function readVolumeOutputs(outputs: Inputs): VolumeOutputs {
  return outputs as unknown as VolumeOutputs;
}
