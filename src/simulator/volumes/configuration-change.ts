/** `POST`, `PUT` and `DELETE /storage`: changing the cluster's storage configuration. */
import { nodeFormat, storageFormat } from "../formats";
import { createKeyFile, parseKeyFile } from "../guests/encryption";
import type { BackendState, Call, ClusterState, ParameterRule, ParameterTable, Route, StorageState } from "../kernel";
import type { Era } from "../state";
import { configText, fail, listParameter, textParameter } from "./calls";
import { configurationDigest } from "./configuration";
import { retentionFormat } from "./retention";
import { contentFormat, digestRule, optionalFlag, optionalText, storageRule } from "./rules";
import { storageDirectory, storageTypes, traitsOf } from "./types";

const defaultBytes = 256 * 1024 ** 3;
const defaultBytesPerSecond = 500e6;
interface TypeOptions {
  /** Cannot change later; the first ones must be given. */
  required: readonly string[];
  fixed?: readonly string[];
  optional: readonly string[];
  defaultContent: string[];
}

const anyType = ["bwlimit", "max-protected-backups"];
const directory = [
  "prune-backups",
  "maxfiles",
  "format",
  "preallocation",
  "mkdir",
  "create-base-path",
  "create-subdirs",
  "content-dirs",
  "snapshot-as-volume-chain",
];
const simulatedTypes: Record<StorageState["type"], TypeOptions> = {
  dir: { required: ["path"], optional: [...anyType, ...directory, "is_mountpoint"], defaultContent: ["images", "rootdir"] },
  nfs: { required: ["server", "export"], fixed: ["path"], optional: [...anyType, ...directory, "options"], defaultContent: ["images"] },
  cifs: {
    required: ["server", "share"],
    fixed: ["path"],
    optional: [...anyType, ...directory, "username", "password", "domain", "smbversion", "subdir", "options"],
    defaultContent: ["images"],
  },
  lvm: {
    required: ["vgname"],
    fixed: ["base"],
    optional: [...anyType, "saferemove", "saferemove_throughput", "tagged_only"],
    defaultContent: ["images"],
  },
  lvmthin: { required: ["vgname", "thinpool"], optional: anyType, defaultContent: ["images", "rootdir"] },
  zfspool: { required: ["pool"], optional: [...anyType, "sparse", "blocksize", "mountpoint"], defaultContent: ["images", "rootdir"] },
  rbd: {
    required: ["pool"],
    fixed: ["data-pool"],
    optional: [...anyType, "monhost", "username", "krbd", "keyring", "namespace"],
    defaultContent: ["images"],
  },
  pbs: {
    required: ["server", "datastore"],
    fixed: [],
    optional: [
      ...anyType,
      "namespace",
      "username",
      "password",
      "fingerprint",
      "encryption-key",
      "master-pubkey",
      "port",
      "prune-backups",
      "skip-cert-verification",
    ],
    defaultContent: ["backup"],
  },
};

function absolutePathFormat(value: string): string | undefined {
  return value.startsWith("/") ? undefined : "value does not look like a valid absolute path";
}

function groupNameFormat(value: string): string | undefined {
  return /^[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]$/.test(value) ? undefined : `lvm name '${value}' contains illegal characters`;
}

function configIdFormat(value: string): string | undefined {
  return /^[a-zA-Z][a-zA-Z0-9_-]+$/.test(value) ? undefined : `invalid configuration ID '${value}'`;
}

const pathRule: ParameterRule = { ...optionalText, format: absolutePathFormat };
const groupRule: ParameterRule = { ...optionalText, format: groupNameFormat };

function optionTable(era: Era): ParameterTable {
  const flags = [
    "disable",
    "shared",
    "krbd",
    "mkdir",
    "create-base-path",
    "create-subdirs",
    "saferemove",
    "sparse",
    "tagged_only",
    "skip-cert-verification",
  ];
  const texts =
    "bwlimit,content-dirs,data-pool,datastore,domain,encryption-key,is_mountpoint,keyring,master-pubkey,monhost,namespace,options,password,pool,saferemove_throughput,server,share,smbversion,username,base,blocksize,authsupported,comstar_hg,comstar_tg,iscsiprovider,lio_tpg,portal,target,zfs-base-path";
  return {
    ...Object.fromEntries(texts.split(",").map((key) => [key, optionalText])),
    ...Object.fromEntries(flags.map((key) => [key, optionalFlag])),
    content: { type: "list", optional: true, format: contentFormat },
    nodes: { type: "list", optional: true, format: nodeFormat },
    format: { ...optionalText, enum: ["raw", "qcow2", "subvol", "vmdk"] },
    preallocation: { ...optionalText, enum: ["off", "metadata", "falloc", "full"] },
    "fs-name": { ...optionalText, format: configIdFormat },
    path: pathRule,
    export: pathRule,
    mountpoint: pathRule,
    subdir: pathRule,
    vgname: groupRule,
    thinpool: groupRule,
    "prune-backups": { ...optionalText, format: retentionFormat },
    "max-protected-backups": { type: "integer", optional: true, minimum: -1 },
    port: { type: "integer", optional: true, minimum: 1, maximum: 65_535 },
    fingerprint: { ...optionalText, pattern: /^([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}$/ },
    ...(era === "8.4"
      ? { maxfiles: { type: "integer", optional: true, minimum: 0 } }
      : { "snapshot-as-volume-chain": optionalFlag, "saferemove-stepsize": { type: "integer", optional: true } }),
  };
}

export function configurationChangeRoutes(era: Era): Route[] {
  const permission = (call: Call) => call.requirePrivilege("/storage", ["Datastore.Allocate"]);
  const table = optionTable(era);
  const fixedKeys = new Set(Object.values(simulatedTypes).flatMap(({ required, fixed }) => [...required, ...(fixed ?? [])]));
  // Of the types that are not simulated: an address does not change either.
  for (const key of ["authsupported", "iscsiprovider", "portal", "target"]) fixedKeys.add(key);
  const changeable = Object.fromEntries(Object.entries(table).filter(([key]) => !fixedKeys.has(key) || key === "server" || key === "pool"));
  return [
    {
      method: "POST",
      path: "/storage",
      parameters: { ...table, storage: { ...storageRule, format: storageFormat }, type: { type: "string", enum: storageTypes(era) } },
      permission,
      handler: create,
    },
    {
      method: "PUT",
      path: "/storage/{storage}",
      parameters: {
        ...changeable,
        storage: storageRule,
        delete: { type: "list", optional: true },
        digest: { ...digestRule, maxLength: 64 },
      },
      permission,
      handler: update,
    },
    { method: "DELETE", path: "/storage/{storage}", parameters: { storage: storageRule }, permission, handler: remove },
  ];
}

const generalKeys = new Set(["storage", "type", "content", "nodes", "disable", "shared", "node", "delete", "digest"]);

/** Options of the call beside those that every type has. */
function givenOptions(call: Call): Record<string, string> {
  const entries = Object.entries(call.params).filter(([key]) => !generalKeys.has(key));
  return Object.fromEntries(entries.map(([key, value]) => [key, configText(value)]));
}

function create(call: Call): unknown {
  const id = textParameter(call, "storage")!;
  const type = textParameter(call, "type") as StorageState["type"];
  const rules: TypeOptions | undefined = simulatedTypes[type];
  if (!rules) return fail(`create storage failed: storage type '${type}' is not simulated`);
  const options = givenOptions(call);
  for (const key of rules.required) if (options[key] === undefined) fail(`missing value for required option '${key}'`);
  const allowed = [...rules.required, ...(rules.fixed ?? []), ...rules.optional];
  for (const key of Object.keys(options)) if (!allowed.includes(key)) fail(`unexpected property '${key}'`);
  if (call.cluster.storages[id]) fail(`create storage failed: storage ID '${id}' already defined`);
  const content = listParameter(call, "content");
  const storage: StorageState = {
    storage: id,
    type,
    content: content.length > 0 ? content : rules.defaultContent,
    backends: {},
    ...(call.params.nodes === undefined ? {} : { nodes: listParameter(call, "nodes") }),
    shared: traitsOf({ type, options } as StorageState).remote || call.params.shared === true,
    disabled: call.params.disable === true,
    options: withoutSecrets(options),
  };
  if (options.is_mountpoint !== undefined && !/^(0|no|off|false)$/.test(options.is_mountpoint) && !findPlaces(call.cluster, storage)) {
    const reason = `directory is expected to be a mount point but is not mounted: '${storageDirectory(storage)}'`;
    fail(`create storage failed: unable to activate storage '${id}' - ${reason}`);
  }
  storage.backends = placesFor(call, storage);
  const config = setEncryptionKey(call, storage);
  call.cluster.storages[id] = storage;
  call.world.touch();
  return { storage: id, type, ...config };
}

/** The file shows a key's fingerprint only; the answer has the key, once. `undefined`: the call brings none. */
function setEncryptionKey(call: Call, storage: StorageState): { config: { "encryption-key": string } } | undefined {
  const given = textParameter(call, "encryption-key");
  if (given === undefined) return undefined;
  const text = given === "autogen" ? createKeyFile(call.world.clock.nowMs()) : given;
  const key = parseKeyFile(text) ?? fail("Value does not seems like a valid, JSON formatted encryption key!");
  storage.options["encryption-key"] = key.shown;
  storage.keyFingerprint = key.fingerprint;
  return { config: { "encryption-key": text } };
}

/** Secrets go to files that the API does not show. */
function withoutSecrets({ password: _, "encryption-key": __, ...options }: Record<string, string>): Record<string, string> {
  return options;
}

/** What names the physical place of a storage's bytes, for storages that may share one. */
function placeName({ type, options }: StorageState, cluster: ClusterState): string {
  if (type === "nfs") return `nfs:${options.server}:${options.export}`;
  if (type === "cifs") return `cifs:${options.server}:${options.share}`;
  if (type === "pbs") return `pbs:${options.server}:${options.datastore}`;
  if (type === "rbd") return `rbd:${options.monhost ?? cluster.id}:${options.pool}`;
  return `${cluster.id}:${type}:${options.path ?? options.vgname ?? options.pool}:${options.thinpool ?? ""}`;
}

/** Another storage on the same place: what it holds is visible here too. */
function findPlaces(cluster: ClusterState, storage: StorageState): Record<string, string> | undefined {
  const name = placeName(storage, cluster);
  return Object.values(cluster.storages).find((other) => placeName(other, cluster) === name)?.backends;
}

function placesFor(call: Call, storage: StorageState): Record<string, string> {
  const { world, cluster } = call;
  const remote = traitsOf(storage).remote;
  for (const other of remote ? Object.values(world.state.clusters) : [cluster]) {
    const found = findPlaces(other, storage);
    if (found) return { ...found };
  }
  const name = placeName(storage, cluster);
  const places: Record<string, string> = remote
    ? { "*": name }
    : Object.fromEntries(Object.keys(cluster.nodes).map((node) => [node, `${node}:${name}`]));
  for (const id of Object.values(places)) world.state.backends[id] ??= emptyBackend(id, storage);
  return places;
}

function emptyBackend(id: string, storage: StorageState): BackendState {
  const { naming } = traitsOf(storage);
  const kind = naming === "datastore" ? "pbs" : naming === "file" ? "directory" : "block";
  return { id, kind, totalBytes: defaultBytes, volumes: {}, chunks: {}, bytesPerSecond: defaultBytesPerSecond };
}

function update(call: Call): unknown {
  const id = textParameter(call, "storage")!;
  const storage = call.cluster.storages[id] ?? fail(`update storage failed: storage '${id}' does not exist`);
  const digest = textParameter(call, "digest");
  if (digest !== undefined && digest !== configurationDigest(call.cluster)) {
    fail("update storage failed: detected modified configuration - file changed by other user? Try again.");
  }
  const rules = simulatedTypes[storage.type];
  const deletes = listParameter(call, "delete");
  for (const key of deletes) {
    if ([...rules.required, ...(rules.fixed ?? [])].includes(key)) fail(`update storage failed: unable to delete required option '${key}'`);
    if (![...rules.optional, "content", "nodes", "disable", "shared"].includes(key)) fail(`update storage failed: no such option '${key}'`);
  }
  const options = givenOptions(call);
  for (const key of Object.keys(options)) if (!rules.optional.includes(key)) fail(`update storage failed: unexpected property '${key}'`);
  const config = setEncryptionKey(call, storage);
  Object.assign(storage.options, withoutSecrets(options));
  for (const key of deletes) delete storage.options[key];
  if (deletes.includes("encryption-key")) delete storage.keyFingerprint;
  if (call.params.content !== undefined) storage.content = listParameter(call, "content");
  if (call.params.nodes !== undefined) storage.nodes = listParameter(call, "nodes");
  if (call.params.disable !== undefined) storage.disabled = call.params.disable === true;
  if (call.params.shared !== undefined) storage.shared = call.params.shared === true;
  if (deletes.includes("nodes")) delete storage.nodes;
  if (deletes.includes("disable")) storage.disabled = false;
  if (deletes.includes("shared")) storage.shared = traitsOf(storage).remote;
  if (deletes.includes("content")) storage.content = rules.defaultContent;
  call.world.touch();
  return { storage: id, type: storage.type, ...config };
}

/** Only the entry goes; what lies on the storage stays. */
function remove(call: Call): null {
  const id = textParameter(call, "storage")!;
  if (!call.cluster.storages[id]) fail(`delete storage failed: storage '${id}' does not exist`);
  delete call.cluster.storages[id];
  call.world.touch();
  return null;
}
