/** Datastores themselves: lists, space, namespaces, garbage collection, verification. */
import { chunkOf } from "../guests/encryption";
import { ApiError } from "../kernel";
import { backendFreeBytes, backendUsedBytes } from "../usage";
import type { Datastore, PbsCall, PbsRoute } from "./calls";
import { aclPath, openNamespace } from "./datastore-access";
import { backupId, backupTime, backupType, ns, optional, optionalCount, optionalFlag, store } from "./fields";
import { groupsOf, hasNamespace, listSnapshots, removeSnapshot, requireNamespace, type Snapshot, snapshotName } from "./snapshots";

const base = "/admin/datastore/{store}";
const below = ["Datastore.Audit", "Datastore.Modify", "Datastore.Backup"];

export const datastoreRoutes: PbsRoute[] = [
  { method: "GET", path: "/admin/datastore", parameters: {}, handler: (call) => visibleStores(call).map(listRow) },
  { method: "GET", path: "/config/datastore", parameters: {}, handler: (call) => visibleStores(call, ["Datastore.Audit"]).map(configRow) },
  {
    method: "GET",
    path: "/config/datastore/{name}",
    parameters: { name: store },
    privilege: { path: "/datastore/{name}", names: ["Datastore.Audit"] },
    handler: (call) => configRow(call.datastore(call.text("name"))),
  },
  { method: "GET", path: `${base}/status`, parameters: { store, verbose: optionalFlag }, handler: getStatus },
  { method: "GET", path: `${base}/namespace`, parameters: { store, parent: ns, "max-depth": optionalCount }, handler: listNamespaces },
  {
    method: "POST",
    path: `${base}/namespace`,
    parameters: { store, parent: ns, name: { type: "string", pattern: /^[A-Za-z0-9_][A-Za-z0-9._-]*$/, minLength: 1, maxLength: 32 } },
    handler: createNamespace,
  },
  {
    method: "DELETE",
    path: `${base}/namespace`,
    parameters: { store, ns: { ...ns, optional: false }, "delete-groups": optionalFlag },
    handler: deleteNamespace,
  },
  {
    method: "GET",
    path: `${base}/gc`,
    parameters: { store },
    privilege: { path: "/datastore/{store}", names: ["Datastore.Audit"] },
    handler: (call) => gcStatus(call.datastore(), call.world.blockBytes),
  },
  {
    method: "POST",
    path: `${base}/gc`,
    parameters: { store },
    privilege: { path: "/datastore/{store}", names: ["Datastore.Modify"] },
    handler: collectGarbage,
  },
  {
    method: "POST",
    path: `${base}/verify`,
    parameters: {
      store,
      ns,
      "backup-type": optional(backupType),
      "backup-id": optional(backupId),
      "backup-time": optional(backupTime),
      "ignore-verified": optionalFlag,
      "outdated-after": optionalCount,
      "max-depth": optionalCount,
    },
    handler: verify,
  },
];

/** Those the caller has something to do with, at the top or in a namespace. */
function visibleStores(call: PbsCall, privileges = below): Datastore[] {
  return Object.keys(call.server.datastores)
    .map((name) => call.datastore(name))
    .filter(({ name, state }) =>
      ["", ...state.namespaces].some((at) => privileges.some((privilege) => call.has(aclPath(name, at), privilege))),
    );
}

function listRow({ name, state }: Datastore): Record<string, unknown> {
  return { store: name, ...(state.comment === undefined ? {} : { comment: state.comment }) };
}

function configRow({ name, state }: Datastore): Record<string, unknown> {
  return { name, path: `/mnt/datastore/${name}`, ...(state.comment === undefined ? {} : { comment: state.comment }) };
}

function getStatus(call: PbsCall): unknown {
  const name = call.text("store") ?? "";
  const statistics = ["Datastore.Audit", "Datastore.Backup"].some((privilege) => call.has(aclPath(name, ""), privilege));
  if (!statistics && !visibleStores(call, [...below, "Datastore.Read"]).some((found) => found.name === name))
    throw new ApiError(403, "permission check failed");
  const datastore = call.datastore();
  const { blockBytes } = call.world;
  const snapshots = listSnapshots(datastore);
  const count = (type: string) => {
    const own = snapshots.filter((found) => found.type === type);
    return { groups: groupsOf(own).length, snapshots: own.length };
  };
  return {
    total: statistics ? datastore.backend.totalBytes : 0,
    used: statistics ? backendUsedBytes(datastore.backend, blockBytes) : 0,
    avail: statistics ? backendFreeBytes(datastore.backend, blockBytes) : 0,
    ...(call.params.verbose === true
      ? { counts: { vm: count("vm"), ct: count("ct"), host: count("host") }, "gc-status": gcStatus(datastore, blockBytes) }
      : {}),
  };
}

function listNamespaces(call: PbsCall): unknown {
  const name = call.text("store") ?? "";
  const parent = call.text("parent") ?? "";
  const allowed = (at: string) => below.some((privilege) => call.has(aclPath(name, at), privilege));
  if (!Object.hasOwn(call.server.datastores, name) && !allowed(parent)) throw new ApiError(403, "permission check failed");
  const datastore = call.datastore();
  const maxDepth = call.params["max-depth"] === undefined ? Number.POSITIVE_INFINITY : Number(call.params["max-depth"]);
  const depth = (at: string) => (at === "" ? 0 : at.split("/").length);
  const listed = hasNamespace(datastore, parent)
    ? ["", ...datastore.state.namespaces].filter(
        (at) => (parent === "" || at === parent || at.startsWith(`${parent}/`)) && depth(at) - depth(parent) <= maxDepth,
      )
    : [];
  const visible = listed.filter(allowed).sort();
  if (visible.length === 0 && !allowed(parent)) throw new ApiError(403, "permission check failed");
  if (listed.length === 0) requireNamespace(datastore, parent);
  return visible.map((at) => ({ ns: at }));
}

function createNamespace(call: PbsCall): string {
  const parent = call.text("parent") ?? "";
  const name = call.text("name") ?? "";
  call.require(aclPath(call.text("store") ?? "", parent), ["Datastore.Modify"]);
  const datastore = call.datastore();
  requireNamespace(datastore, parent);
  const whole = parent === "" ? name : `${parent}/${name}`;
  if (hasNamespace(datastore, whole)) throw new ApiError(400, `namespace already exists`);
  datastore.state.namespaces.push(whole);
  call.world.touch();
  return whole;
}

function deleteNamespace(call: PbsCall): null {
  const whole = call.text("ns") ?? "";
  if (whole === "") throw new ApiError(400, "Cannot create/delete root namespace!");
  const parent = whole.split("/").slice(0, -1).join("/");
  call.require(aclPath(call.text("store") ?? "", parent), ["Datastore.Modify"]);
  const datastore = call.datastore();
  requireNamespace(datastore, whole);
  const inside = (at: string) => at === whole || at.startsWith(`${whole}/`);
  const snapshots = listSnapshots(datastore).filter((found) => inside(found.ns));
  if (call.params["delete-groups"] === true) for (const found of snapshots) if (!found.volume.protected) removeSnapshot(datastore, found);
  const left = listSnapshots(datastore).filter((found) => inside(found.ns));
  const { state } = datastore;
  state.namespaces = state.namespaces.filter((at) => !inside(at) || left.some((found) => found.ns === at || found.ns.startsWith(`${at}/`)));
  call.world.touch();
  if (left.length === 0) return null;
  throw new ApiError(
    400,
    call.params["delete-groups"] === true
      ? "group only partially deleted due to protected snapshots"
      : "only partially deleted due to existing groups but `delete-groups` not true ",
  );
}

function gcStatus({ state, backend }: Datastore, blockBytes: number): Record<string, unknown> {
  const chunks = Object.keys(backend.chunks).length;
  const last = state.lastGarbageCollection;
  return {
    upid: last?.upid ?? null,
    "disk-bytes": chunks * blockBytes,
    "disk-chunks": chunks,
    "removed-bytes": (last?.removedChunks ?? 0) * blockBytes,
    "removed-chunks": last?.removedChunks ?? 0,
    "pending-bytes": 0,
    "pending-chunks": 0,
  };
}

/** Frees the chunks that no snapshot names. The real one waits a day before it believes that. */
function collectGarbage(call: PbsCall): string {
  const datastore = call.datastore();
  const upid = call.startTask("garbage_collection", datastore.name, async (task) => {
    task.log(`starting garbage collection on store ${datastore.name}`);
    task.log("Start GC phase1 (mark used chunks)");
    await task.pass(1_000);
    const used = new Set(listSnapshots(datastore).flatMap(chunksOf));
    task.log("Start GC phase2 (sweep unused chunks)");
    await task.pass(1_000);
    // Backups that have finished meanwhile count too.
    for (const chunk of listSnapshots(datastore).flatMap(chunksOf)) used.add(chunk);
    const { chunks } = datastore.backend;
    const unused = Object.keys(chunks).filter((chunk) => !used.has(chunk));
    for (const chunk of unused) delete chunks[chunk];
    datastore.state.lastGarbageCollection = { upid: task.upid, removedChunks: unused.length };
    task.log(`Removed chunks: ${unused.length}`);
    task.log(`On-Disk chunks: ${Object.keys(chunks).length}`);
  });
  return upid;
}

export function chunksOf({ volume }: Snapshot): string[] {
  const { disks, keyFingerprint } = volume.archive!;
  return Object.values(disks).flatMap(({ blocks }) => Object.values(blocks).map((contentId) => chunkOf(contentId, keyFingerprint)));
}

function verify(call: PbsCall): string {
  const { datastore, ns: namespace } = openNamespace(call, { all: ["Datastore.Verify"], owned: ["Datastore.Backup"] });
  const wanted = {
    type: call.text("backup-type"),
    id: call.text("backup-id"),
    timeSeconds: call.params["backup-time"] === undefined ? undefined : Number(call.params["backup-time"]),
  };
  const select = () =>
    listSnapshots(datastore).filter(
      (found) =>
        (found.ns === namespace || (wanted.id === undefined && (namespace === "" || found.ns.startsWith(`${namespace}/`)))) &&
        (wanted.type === undefined || found.type === wanted.type) &&
        (wanted.id === undefined || found.id === wanted.id) &&
        (wanted.timeSeconds === undefined || found.timeSeconds === wanted.timeSeconds),
    );
  const ignoreVerified = call.params["ignore-verified"] !== false && wanted.id === undefined;
  const [type, id] = verificationTask(datastore.name, namespace, wanted);
  return call.startTask(type, id, (task) => verifySnapshots(call.world.blockBytes, datastore, select(), ignoreVerified, task));
}

/** Type and id of its task: `verify_snapshot` of `main:ns/ams/vm/100/65A0C3F0`. */
function verificationTask(
  store: string,
  namespace: string,
  { type, id, timeSeconds }: { type?: string; id?: string; timeSeconds?: number },
): [string, string] {
  const levels = namespace === "" ? [] : namespace.split("/").flatMap((level) => ["ns", level]);
  if (type === undefined || id === undefined) return ["verify", [store, ...(namespace === "" ? [] : [levels.join("/")])].join(":")];
  const time = timeSeconds === undefined ? [] : [timeSeconds.toString(16).toUpperCase().padStart(8, "0")];
  return [time.length === 0 ? "verify_group" : "verify_snapshot", `${store}:${[...levels, type, id, ...time].join("/")}`];
}

/** Reads every chunk; one that is gone makes its snapshot a failed one. */
export async function verifySnapshots(
  blockBytes: number,
  { name, backend }: Datastore,
  snapshots: readonly Snapshot[],
  ignoreVerified: boolean,
  task: Parameters<Parameters<PbsCall["startTask"]>[2]>[0],
): Promise<void> {
  let failed = 0;
  const seen = new Set<string>();
  for (const found of snapshots) {
    if (ignoreVerified && found.volume.verification?.state === "ok") continue;
    task.log(`verify ${name}:${snapshotName(found)}`);
    const chunks = [...new Set(chunksOf(found))];
    const fresh = chunks.filter((chunk) => !seen.has(chunk));
    for (const chunk of fresh) seen.add(chunk);
    await task.transfer(fresh.length * blockBytes, [`backend:${backend.id}`], undefined, undefined, "read");
    const missing = chunks.filter((chunk) => !backend.chunks[chunk]).length;
    if (missing > 0) {
      task.log(`can't verify chunk, load failed - ${missing} chunks missing`);
      failed += 1;
    }
    found.volume.verification = { state: missing === 0 ? "ok" : "failed", upid: task.upid };
  }
  if (failed > 0) throw new Error("verification failed - please check the log for details");
}
