/** What a preflight looks at, gathered by its caller. Plain data. */
import type { GuestConfig, GuestRow, Permissions, StorageDefinition } from "../../proxmox";
import type { Membership } from "../membership";
import type { SyncFacts } from "./sync";

export interface PreflightFacts {
  guest: GuestRow;
  config: GuestConfig;
  sourcePermissions: Permissions;
  targetPermissions: Permissions;
  pool?: string;
  targetNode?: string;
  /** Storage of each disk at the target. */
  targetStorages: string[];
  targetBridges: string[];
  /** Bridges the target node has and the token may use; absent when unknown. */
  targetNodeBridges?: readonly string[];
  /** Storages the target node sees. */
  targetNodeStorages: string[];
  /** What the disks need on each storage of the target, and what is free; storages of unknown room are left out. */
  targetRoom?: readonly StorageRoom[];
  /** Free bytes of the store's write storage on the source; absent when unknown. */
  storeFreeBytes?: number;
  /** Lower bound of what the archive takes. */
  leastArchiveBytes: number;
  /** Volids among the guest's drives that other guests of ours own: their own resources move them. */
  attachedVolids: ReadonlySet<string>;
  /** Definitions of the store's storages; absent when the token does not see them. */
  sourceStore?: StorageDefinition;
  targetStore?: StorageDefinition;
  /** Major versions of Proxmox VE; absent when not asked. */
  versions?: { source: number; target: number };
  /** Another guest of the target has the source's vmid: the move takes another one. */
  vmidTaken?: boolean;
  /** HA and replication of the guest, and what of it has no counterpart at the target. */
  membership?: Membership;
  membershipFindings?: readonly string[];
  /** Disks of the guest that it would lose by becoming what its program declares, in words. */
  lostDisks?: readonly string[];
  /** Guests of the target with one of the guest's MAC or IP addresses, in words. */
  clashes?: readonly string[];
  /** `ensure_backup_exists`: whether there is a backup of the guest; absent: not asked for. */
  hasBackup?: boolean;
  /** What the backup server says that the archive is to be pulled to; a text: why it cannot be asked. Absent: nothing is synced. */
  sync?: SyncFacts | string;
  /** Where both clusters keep images; absent: not looked at. */
  images?: ImagesFacts;
  /** Set for the methods of remote migration. */
  remote?: RemoteFacts;
}

export interface ImagesFacts {
  /** Volumes with the guest's vmid in their name, on storages that the target node sees. */
  targetVolids: readonly string[];
  /** Definitions that the tokens see. */
  source: readonly StorageDefinition[];
  target: readonly StorageDefinition[];
}

/** What only a remote migration asks for. */
export interface RemoteFacts {
  /** The guest runs and is sent while it does. */
  online: boolean;
  /** Type of each storage that the token sees, by id. */
  storageTypes: { source: Record<string, string>; target: Record<string, string> };
  /** Why the source's nodes cannot be told how to reach the target; absent: they can. */
  endpointProblem?: string;
}

export interface StorageRoom {
  storage: string;
  neededBytes: number;
  freeBytes: number;
}
