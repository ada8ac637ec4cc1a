/** Snapshots and groups of a datastore: lists, attributes, removal. */

import { snapshotFiles } from "../guests/archive";
import type { ParameterTable } from "../kernel";
import { type Datastore, isOwner, type PbsCall, type PbsRoute } from "./calls";
import { groupOfCall, openNamespace, openSnapshot, requireOwner } from "./datastore-access";
import { backupId, backupType, group, ns, optional, optionalText, snapshot, store } from "./fields";
import { type GroupId, groupKey, groupsOf, listSnapshots, ofGroup, ownerOf, removeSnapshot, type Snapshot, snapshotRow } from "./snapshots";

const base = "/admin/datastore/{store}";
const reading = { all: ["Datastore.Audit"], owned: ["Datastore.Backup"] };
const writing = { all: ["Datastore.Modify"], owned: ["Datastore.Backup"] };
const removing = { all: ["Datastore.Modify"], owned: ["Datastore.Prune"] };
const atStore: ParameterTable = { store, ns };

export const contentRoutes: PbsRoute[] = [
  {
    method: "GET",
    path: `${base}/snapshots`,
    parameters: { ...atStore, "backup-type": optional(backupType), "backup-id": optional(backupId) },
    handler: (call) => {
      const { datastore, snapshots } = visibleSnapshots(call);
      return snapshots.map((found) => snapshotRow(datastore, found));
    },
  },
  { method: "DELETE", path: `${base}/snapshots`, parameters: { ...atStore, ...snapshot }, handler: deleteSnapshot },
  { method: "GET", path: `${base}/groups`, parameters: atStore, handler: listGroups },
  {
    method: "DELETE",
    path: `${base}/groups`,
    parameters: { ...atStore, ...group, "error-on-protected": { type: "boolean", optional: true } },
    handler: deleteGroup,
  },
  {
    method: "GET",
    path: `${base}/notes`,
    parameters: { ...atStore, ...snapshot },
    handler: (call) => openSnapshot(call, reading).snapshot.volume.notes ?? "",
  },
  {
    method: "PUT",
    path: `${base}/notes`,
    parameters: { ...atStore, ...snapshot, notes: { type: "string" } },
    handler: (call) => {
      const { volume } = openSnapshot(call, writing).snapshot;
      const notes = call.text("notes") ?? "";
      if (notes === "") delete volume.notes;
      else volume.notes = notes;
      call.world.touch();
    },
  },
  {
    method: "GET",
    path: `${base}/protected`,
    parameters: { ...atStore, ...snapshot },
    handler: (call) => openSnapshot(call, reading).snapshot.volume.protected,
  },
  {
    method: "PUT",
    path: `${base}/protected`,
    parameters: { ...atStore, ...snapshot, protected: { type: "boolean" } },
    handler: (call) => {
      openSnapshot(call, writing).snapshot.volume.protected = call.params.protected === true;
      call.world.touch();
    },
  },
  {
    method: "GET",
    path: `${base}/group-notes`,
    parameters: { ...atStore, ...group },
    handler: (call) => {
      const { datastore, key } = openGroup(call, reading);
      return datastore.state.groupNotes[key] ?? "";
    },
  },
  {
    method: "PUT",
    path: `${base}/group-notes`,
    parameters: { ...atStore, ...group, notes: { type: "string" } },
    handler: (call) => {
      const { datastore, key } = openGroup(call, writing);
      datastore.state.groupNotes[key] = call.text("notes") ?? "";
      call.world.touch();
    },
  },
  {
    method: "POST",
    path: `${base}/change-owner`,
    parameters: { ...atStore, ...group, "new-owner": optionalText },
    handler: (call) => {
      const { datastore, key } = openGroup(call, { all: ["Datastore.Modify"], owned: [] });
      datastore.state.owners[key] = call.text("new-owner") ?? "root@pam";
      call.world.touch();
    },
  },
];

function openGroup(call: PbsCall, privileges: { all: string[]; owned: string[] }): { datastore: Datastore; key: string; id: GroupId } {
  const { datastore, ns: namespace, onlyOwned } = openNamespace(call, privileges);
  const id = groupOfCall(call, namespace);
  if (onlyOwned) requireOwner(call, datastore, id);
  return { datastore, key: groupKey(id), id };
}

/** Of one namespace; without Datastore.Audit only those of own groups. */
function visibleSnapshots(call: PbsCall): { datastore: Datastore; snapshots: Snapshot[] } {
  const { datastore, ns: namespace, onlyOwned } = openNamespace(call, reading);
  const type = call.text("backup-type");
  const id = call.text("backup-id");
  const snapshots = listSnapshots(datastore).filter(
    (found) =>
      found.ns === namespace &&
      (type === undefined || found.type === type) &&
      (id === undefined || found.id === id) &&
      (!onlyOwned || isOwner(call.authid, ownerOf(datastore, found))),
  );
  return { datastore, snapshots };
}

function listGroups(call: PbsCall): unknown {
  const { datastore, snapshots } = visibleSnapshots(call);
  return groupsOf(snapshots).map((id) => {
    const own = ofGroup(snapshots, id);
    const last = own.at(-1)!;
    const notes = datastore.state.groupNotes[groupKey(id)];
    return {
      "backup-type": id.type,
      "backup-id": id.id,
      "last-backup": last.timeSeconds,
      "backup-count": own.length,
      files: snapshotFiles(last.volume.archive!).map(({ filename }) => filename),
      owner: ownerOf(datastore, id),
      ...(notes ? { comment: notes.split("\n")[0] } : {}),
    };
  });
}

function deleteSnapshot(call: PbsCall): void {
  const { datastore, snapshot: found } = openSnapshot(call, removing);
  removeSnapshot(datastore, found);
  call.world.touch();
}

/** Protected snapshots stay; with `error-on-protected` (the default) that is an error. */
function deleteGroup(call: PbsCall): unknown {
  const { datastore, id } = openGroup(call, removing);
  const own = ofGroup(listSnapshots(datastore), id);
  const doomed = own.filter(({ volume }) => !volume.protected);
  for (const found of doomed) removeSnapshot(datastore, found);
  call.world.touch();
  const kept = own.length - doomed.length;
  if (kept > 0 && call.params["error-on-protected"] !== false) throw new Error("group only partially deleted due to protected snapshots");
  if (kept === 0) delete datastore.state.owners[groupKey(id)];
  return { "removed-snapshots": doomed.length, "protected-snapshots": kept, "removed-groups": kept === 0 ? 1 : 0 };
}
