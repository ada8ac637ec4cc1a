/** What the steps of a migration to another cluster share. */
import type { TaskContext } from "../../kernel";
import type { PeerAddress } from "../../peers";
import type { Place } from "../../volumes/calls";
import type { IdMap } from "../id-map";
import { bytesPerSecond } from "../work";
import type { Channel } from "./copying";
import type { Report } from "./report";
import type { MigrationTunnel } from "./tunnel";

export interface RemoteMigration {
  vmid: number;
  targetVmid: number;
  address: PeerAddress;
  targetNode: string;
  online: boolean;
  /** Destroy the source when the target has it. */
  deleteSource: boolean;
  storages: IdMap;
  bridges: IdMap;
  limitKibibytes?: number;
}

/** A migration whose tunnel is open. */
export interface Passage {
  place: Place;
  migration: RemoteMigration;
  task: TaskContext;
  report: Report;
  tunnel: MigrationTunnel;
}

export function channelOf({ place, tunnel, task, migration }: Passage): Channel {
  return { place, tunnel, task, limitBytesPerSecond: bytesPerSecond(migration.limitKibibytes) };
}
