/** What `check` adds to a VM's inputs and what the outputs hold. Plain JSON; keys with two underscores are hidden in diffs. */
import type { Membership, MigrationSummary, MoveRecord, Route } from "../../migration";
import type { Placement } from "../../placement";
import type { FailoverPlan, FailoverSummary } from "../failover/plan";
import type { Inputs } from "../inputs";
import type { Return } from "../return";
import type { GuestShape } from "./shape";

/** Computed by `check`; never the user's. */
export const COMPUTED_KEYS = ["placement", "migration", "failover", "restart", "recovery", "cleanup", "adoption", "drift"] as const;

export interface VmInputs extends Return {
  placement: {
    cluster: string;
    node: string;
    storages: string[];
    /** Why there, one line. */
    why: string;
  };
  /** Only when the VM will move to another cluster. */
  migration?: MigrationSummary;
  /** Only when its cluster is lost and it is restored elsewhere. */
  failover?: FailoverSummary;
  /** Only when a change needs the guest to restart: which. */
  restart?: string;
  /** Only when an interrupted move must be undone first. */
  recovery?: string;
  /** Only when former copies are removed whose time is over. */
  cleanup?: string;
  /** Only when an existing VM is taken over: what becomes of it. */
  adoption?: string;
  __desired: GuestShape;
  /** Proxmox pool on every cluster. */
  __pool: string;
  /** The live guest as `check` saw it. */
  __live?: { cluster: string; node: string; vmid: number };
  __route?: Route;
  __failover?: FailoverPlan;
  /** HA and replication, in case its cluster is lost. */
  __membership?: Membership;
}

export interface VmOutputs extends VmInputs {
  vmid: number;
  macAddresses: string[];
  addresses: string[];
  /** Differences that a refresh has found; empty when there are none. */
  drift?: string[];
  lastMove?: MoveRecord;
  /** Where it is; a replacement's preview would show a visible one as removed. */
  __at: { cluster: string; node: string };
  __generation: number;
  __observed: GuestShape;
}

export function readVmInputs(inputs: Inputs): VmInputs {
  return inputs as unknown as VmInputs;
}

export function readVmOutputs(outputs: Inputs): VmOutputs {
  return outputs as unknown as VmOutputs;
}

export function placementOf(inputs: VmInputs): Placement {
  const { cluster, node, storages } = inputs.placement;
  return { cluster, node, storages };
}
