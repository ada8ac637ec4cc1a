/** What a move is asked to do, and what it tells afterwards. */
import type { MigrationMethod } from "../config";
import type { GuestConfig } from "../proxmox";
import type { Identity, Mark, MoveStep } from "./mark";
import type { GuestRef } from "./operations";
import type { BackupServerOf } from "./pbs-sync";
import type { RemoteEndpoint } from "./remote-endpoint";
import type { Route } from "./route";

export interface MoveRequest {
  identity: Identity;
  /** Generation of the moved guest. */
  generation: number;
  route: Route;
  source: GuestRef;
  target: {
    api: GuestRef["api"];
    node: string;
    pool: string;
    /** Restore puts every disk here; {@link MoveRequest.adapt} moves those that belong elsewhere. */
    storage: string;
    vmidRange?: { first: number; last: number };
  };
  /** What the target carries when it is done. */
  text: string;
  tags: string[];
  /** For its mark. */
  demands?: Mark["demands"];
  name: string;
  shutdown: { timeoutSeconds: number; force: boolean };
  /** Whether the guest shall run afterwards. */
  running: boolean;
  /**
   * Runs shutdown and backup when it is this guest's turn. Proxmox backs up one guest per node at a time: without a queue
   * the others would wait for their turn switched off.
   */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** Runs the transfer when the links of the route have room for it, with the bandwidth it may take. */
  onLink: <T>(work: (bitsPerSecond: number | undefined) => Promise<T>) => Promise<T>;
  /** Client of any cluster: an interrupted move may have gone elsewhere. */
  apiOf: (cluster: string) => Promise<GuestRef["api"]>;
  /** Client of a backup store's server; asked only where archives are synced. */
  backupServerOf?: BackupServerOf;
  /** Only for the methods of remote migration. */
  remote?: {
    /** Asked right before the migration; its secret goes to the source's node and nowhere else. */
    endpoint: () => Promise<RemoteEndpoint>;
    /** Card (`net0`) → bridge at the target. */
    bridges: Record<string, string>;
  };
  /**
   * What a guest that runs as soon as its restore begins must be given with the restore: keys of its configuration (no drives), or
   * in words why it has to be restored first and started then. Absent: never restored live.
   */
  liveShape?: (source: GuestConfig) => Record<string, string> | string;
  /** Brings the restored guest to its declared shape; it is stopped, unless it was carried over running. */
  adapt: (target: GuestRef) => Promise<void>;
  /** Resolves when the started guest is alive (its agent answers); rejects when it does not come up. */
  waitUntilAlive: (target: GuestRef) => Promise<void>;
  /** Whether the target starts with its node; absent: left at no. */
  onBoot?: boolean;
  /** Told how the move ended, whatever the end. */
  onEnd?: (record: MoveRecord) => Promise<void>;
}

/** `unfinished`: the next update takes it up where it stands. */
export type MoveResult = "moved" | "rolled-back" | "unfinished";

/** What happened, for outputs and the audit log. No secret is in it. */
export interface MoveRecord {
  id: string;
  method: MigrationMethod;
  result: MoveResult;
  from: { cluster: string; node: string; vmid: number };
  /** `vmid` from the moment it was claimed. */
  to: { cluster: string; node: string; vmid?: number };
  /** Volid on the source cluster; removed after the move. */
  archive?: string;
  archiveBytes?: number;
  startedAt: string;
  finishedAt: string;
  /** Steps in order, each with the time it was first reached. */
  stages: { step: MoveStep; at: string }[];
  /** Tasks on both clusters. */
  upids: string[];
  /** Until when the stopped source is kept. */
  sourceKeptUntil?: string;
  /** What the target wrote while its data arrived was at risk. */
  liveRestore?: true;
  /** What only an administrator can do: the command and where. */
  leftToDo?: string;
  /** Why it did not succeed. */
  error?: string;
}
