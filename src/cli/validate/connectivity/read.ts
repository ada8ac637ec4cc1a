/** What `validate --check-connectivity` asks one cluster. */
import type { Cluster } from "../../../config";
import type { CallOptions, NodeRow, Permissions, ProxmoxApi, StorageDefinition, StorageRow, Volume } from "../../../proxmox";
import { codeOf } from "../../failure";
import { type ClusterRows, readRows } from "../../snapshot";

export interface LiveFacts extends ClusterRows {
  version: string;
  major: number;
  permissions: Permissions;
  /** What the token may see of them. */
  definitions: StorageDefinition[];
  /** Online node → bridges and VNets the token may use there. */
  bridges: Map<string, Set<string>>;
  /** Logical image name → online nodes that have it. */
  images: Map<string, string[]>;
  /** Those asked for → their archives; without those that are absent, not available or hidden. */
  archives: Map<string, Volume[]>;
}

/** @param archiveStorages whose archives are to be listed */
export async function readLiveFacts(
  api: ProxmoxApi,
  cluster: Cluster,
  options: CallOptions,
  archiveStorages: readonly string[],
): Promise<LiveFacts> {
  const [{ version, major }, permissions, definitions, inside] = await Promise.all([
    api.getVersion(options),
    api.getPermissions(options),
    api.listStorageDefinitions(options),
    readRows(api, options).then(async (rows) => ({
      rows,
      ...(await readNodes(api, cluster, rows, options)),
      archives: await listArchives(api, rows.storages, archiveStorages, options),
    })),
  ]);
  return {
    version,
    major,
    permissions,
    definitions,
    ...inside.rows,
    bridges: inside.bridges,
    images: inside.images,
    archives: inside.archives,
  };
}

async function readNodes(
  api: ProxmoxApi,
  cluster: Cluster,
  rows: ClusterRows,
  options: CallOptions,
): Promise<Pick<LiveFacts, "bridges" | "images">> {
  const online = rows.nodes.filter(({ status }) => status === "online");
  const [bridges, images] = await Promise.all([
    Promise.all(online.map(async ({ node }) => [node, await readBridges(api, node, options)] as const)),
    Promise.all(Object.entries(cluster.images).map(async ([name, volid]) => [name, await nodesWith(api, online, volid, options)] as const)),
  ]);
  return { bridges: new Map(bridges), images: new Map(images) };
}

/** By one node that has the storage: they are shared. */
async function listArchives(
  api: ProxmoxApi,
  rows: readonly StorageRow[],
  storages: readonly string[],
  options: CallOptions,
): Promise<Map<string, Volume[]>> {
  const listed = await Promise.all(
    storages.map(async (storage): Promise<[string, Volume[]][]> => {
      const row = rows.find((candidate) => candidate.storage === storage && candidate.status === "available");
      const archives = row && (await unlessHidden(api.storage.listContent(row.node, storage, { content: "backup" }, options)));
      return archives ? [[storage, archives]] : [];
    }),
  );
  return new Map(listed.flat());
}

async function readBridges(api: ProxmoxApi, node: string, options: CallOptions): Promise<Set<string>> {
  const rows = await api.request<{ iface?: unknown }[]>(
    "GET",
    `/nodes/${encodeURIComponent(node)}/network`,
    { type: "any_bridge" },
    options,
  );
  return new Set(rows.flatMap(({ iface }) => (typeof iface === "string" ? [iface] : [])));
}

async function nodesWith(api: ProxmoxApi, online: readonly NodeRow[], volid: string, options: CallOptions): Promise<string[]> {
  const found = await Promise.all(online.map(async ({ node }) => ((await hasVolume(api, node, volid, options)) ? [node] : [])));
  return found.flat();
}

async function hasVolume(api: ProxmoxApi, node: string, volid: string, options: CallOptions): Promise<boolean> {
  return (await unlessHidden(api.storage.findVolume(node, volid, options))) !== undefined;
}

async function unlessHidden<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    // The storage is absent there, or hidden from the token; a finding of its own says which.
    const code = error instanceof Error ? codeOf(error) : undefined;
    if (code === "NOT_FOUND" || code === "PERMISSION" || code === "REFUSED" || code === "PARAMETER") return undefined;
    throw error;
  }
}
