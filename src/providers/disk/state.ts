/** What `check` adds to a disk's inputs, and its outputs. */
import type { MigrationSummary, MoveRecord, Route } from "../../migration";
import type { FailoverPlan, FailoverSummary } from "../failover/plan";
import type { Inputs } from "../inputs";
import type { Return } from "../return";

export const COMPUTED_KEYS = ["placement", "migration", "failover", "recovery", "cleanup", "drift"] as const;
export const OUTPUT_KEYS = ["ownerVmid", "volid", "sizeBytes", "slot", "lastMove"] as const;

export interface DiskInputs extends Return {
  placement: { cluster: string; node: string; storages: string[]; why: string };
  migration?: MigrationSummary;
  /** Only when its cluster is lost and it is restored elsewhere. */
  failover?: FailoverSummary;
  recovery?: string;
  cleanup?: string;
  __pool: string;
  /** Rounded up to what storages allocate. */
  __sizeBytes: number;
  /** Guest it is attached to; the unknown value while that guest's vmid is not known yet. */
  __attachTo?: { cluster: string; vmid: number | string };
  __live?: { cluster: string; node: string; vmid: number };
  __route?: Route;
  __failover?: FailoverPlan;
}

export interface DiskOutputs extends DiskInputs {
  /** The stopped guest that owns the volume. */
  ownerVmid: number;
  volid: string;
  sizeBytes: number;
  /** Where it is attached, `scsi16`; absent while it is not. */
  slot?: string;
  lastMove?: MoveRecord;
  drift?: string[];
  __at: { cluster: string; node: string };
  __generation: number;
}

export function readDiskInputs(inputs: Inputs): DiskInputs {
  return inputs as unknown as DiskInputs;
}

export function readDiskOutputs(outputs: Inputs): DiskOutputs {
  return outputs as unknown as DiskOutputs;
}
