/** How fast an operation may go: what is asked for, held against the limits of its storages and of the datacenter. */
import type { Call, ClusterState } from "../kernel";

export type LimitedOperation = "restore" | "migration" | "clone" | "move";

export interface LimitRequest {
  operation: LimitedOperation;
  storages: readonly string[];
  /** Asked for, in KiB/s; 0 asks for no limit. Absent: not asked, and then nobody is above the limits. */
  override?: number;
  /** Who may change a limit may also ignore it. */
  hasPrivilege(path: string, privilege: string): boolean;
}

/** In KiB/s; 0 and `undefined` mean none. */
export function bandwidthLimit(cluster: ClusterState, request: LimitRequest): number | undefined {
  const { operation, storages, override } = request;
  const mayIgnore = (path: string, privilege: string) => override !== undefined && request.hasPrivilege(path, privilege);
  let limit = override;
  const apply = (configured: string | undefined): boolean => {
    const values = Object.fromEntries((configured ?? "").split(",").map((part) => part.split("=", 2) as [string, string]));
    const found = values[operation] ?? values.default;
    if (found === undefined) return false;
    if (!limit || Number(found) < limit) limit = Number(found);
    return true;
  };
  if (storages.length > 0) {
    if (mayIgnore("/storage", "Datastore.Allocate")) return limit;
    const limited = [...new Set(storages)].filter((id) => !mayIgnore(`/storage/${id}`, "Datastore.Allocate"));
    // The datacenter's limit counts where a storage has none of its own.
    const own = limited.map((id) => apply(cluster.storages[id]?.options.bwlimit));
    if (own.every(Boolean)) return limit;
  }
  if (!mayIgnore("/", "Sys.Modify")) apply(cluster.options.bwlimit);
  return limit;
}

/** Bytes per second of a migration that nobody asked to be faster or slower. */
export function migrationLimitBytesPerSecond(cluster: ClusterState, storages: readonly string[]): number | undefined {
  const limit = bandwidthLimit(cluster, { operation: "migration", storages, hasPrivilege: () => false });
  return limit ? limit * 1024 : undefined;
}

/** The limit of a call with the parameter `bwlimit`, in bytes per second; `undefined`: none. */
export function callLimitBytesPerSecond(call: Call, operation: LimitedOperation, storages: readonly string[]): number | undefined {
  const override = call.params.bwlimit === undefined ? undefined : Number(call.params.bwlimit);
  const limit = bandwidthLimit(call.cluster, {
    operation,
    storages,
    ...(override === undefined ? {} : { override }),
    hasPrivilege: (path, privilege) => call.hasPrivilege(path, privilege),
  });
  return limit ? limit * 1024 : undefined;
}
