/** What the steps of a migration to another cluster share. */
import type { TaskContext } from "../../kernel";
import type { PeerAddress } from "../../peers";
import type { Place } from "../../volumes/calls";
import type { IdMap } from "../id-map";
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
  /** KiB/s that were asked for; 0: no limit. */
  limitKibibytes?: number;
  /** Bytes per second that this side allows for a storage's volumes; without one, for memory. */
  limitFor(storage?: string): number | undefined;
}

/** A migration whose tunnel is open. */
export interface Passage {
  place: Place;
  migration: RemoteMigration;
  task: TaskContext;
  report: Report;
  tunnel: MigrationTunnel;
}

/** For the volumes of a storage, or for memory: as fast as both sides allow. */
export async function openChannel({ place, tunnel, task, report, migration }: Passage, from?: string, to?: string): Promise<Channel> {
  const here = migration.limitFor(from);
  const there = await tunnel.limitFor(to, migration.limitKibibytes);
  report.told("bwlimit");
  const limits = [here, there].filter((limit) => limit !== undefined);
  return { place, tunnel, task, ...(limits.length === 0 ? {} : { limitBytesPerSecond: Math.min(...limits) }) };
}
