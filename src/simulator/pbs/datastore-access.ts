/** Who may see and change the backups of a namespace: by privilege, or as the owner of a group. */
import { ApiError } from "../kernel";
import { type Datastore, isOwner, type PbsCall } from "./calls";
import { type GroupId, getSnapshot, ownerOf, requireNamespace, type Snapshot, type SnapshotId } from "./snapshots";

export function aclPath(store: string, ns: string): string {
  return `/datastore/${store}${ns === "" ? "" : `/${ns}`}`;
}

/** `store` and `ns` of the call. Throws 403 unless one of the privileges is held; `owned`: those that count for own groups only. */
export function openNamespace(
  call: PbsCall,
  privileges: { all: string[]; owned: string[] },
): { datastore: Datastore; ns: string; onlyOwned: boolean } {
  const ns = call.text("ns") ?? "";
  const path = aclPath(call.text("store") ?? "", ns);
  const sees = (names: string[]) => names.some((name) => call.has(path, name));
  const everything = sees(privileges.all);
  if (!everything && !sees(privileges.owned)) throw new ApiError(403, "permission check failed");
  const datastore = call.datastore();
  requireNamespace(datastore, ns);
  return { datastore, ns, onlyOwned: !everything };
}

export function groupOfCall(call: PbsCall, ns: string): GroupId {
  return { ns, type: call.text("backup-type") ?? "", id: call.text("backup-id") ?? "" };
}

export function snapshotOfCall(call: PbsCall, ns: string): SnapshotId {
  return { ...groupOfCall(call, ns), timeSeconds: Number(call.params["backup-time"]) };
}

/** The call's snapshot, for callers who may only touch their own when `owned` is what they hold. */
export function openSnapshot(call: PbsCall, privileges: { all: string[]; owned: string[] }): { datastore: Datastore; snapshot: Snapshot } {
  const { datastore, ns, onlyOwned } = openNamespace(call, privileges);
  const id = snapshotOfCall(call, ns);
  if (onlyOwned) requireOwner(call, datastore, id);
  return { datastore, snapshot: getSnapshot(datastore, id) };
}

export function requireOwner(call: PbsCall, datastore: Datastore, group: GroupId): void {
  const owner = ownerOf(datastore, group);
  if (!isOwner(call.authid, owner)) throw new ApiError(400, `backup owner check failed (${call.authid} != ${owner})`);
}
