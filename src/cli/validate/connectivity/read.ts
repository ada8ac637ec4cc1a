/** What `validate --check-connectivity` asks one cluster. */
import type { Cluster } from "../../../config";
import type { CallOptions, NodeRow, Permissions, ProxmoxApi, StorageDefinition } from "../../../proxmox";
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
}

export async function readLiveFacts(api: ProxmoxApi, cluster: Cluster, options: CallOptions): Promise<LiveFacts> {
  const [{ version, major }, permissions, definitions, inside] = await Promise.all([
    api.getVersion(options),
    api.getPermissions(options),
    api.listStorageDefinitions(options),
    readRows(api, options).then(async (rows) => ({ rows, ...(await readNodes(api, cluster, rows, options)) })),
  ]);
  return { version, major, permissions, definitions, ...inside.rows, bridges: inside.bridges, images: inside.images };
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
  try {
    return (await api.storage.findVolume(node, volid, options)) !== undefined;
  } catch (error) {
    // The storage is absent there, or hidden from the token; a finding of its own says which.
    const code = error instanceof Error ? codeOf(error) : undefined;
    if (code === "NOT_FOUND" || code === "PERMISSION" || code === "REFUSED" || code === "PARAMETER") return false;
    throw error;
  }
}
