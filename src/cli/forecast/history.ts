/** How full storages and nodes were: Proxmox keeps it in round-robin archives, and every cluster is asked for its own. */
import type { Reading, UtilisationHistory } from "../../placement";
import { type CallOptions, inParallel, type ProxmoxApi, type StorageRow } from "../../proxmox";
import { unlessForbidden } from "../ask-clusters";
import type { ClusterRows } from "../snapshot";

const MIB = 1024 * 1024;
/** Beyond this the archive of a year is asked for, whose points are a week apart. */
const LONGEST_BY_MONTH_DAYS = 60;

export type Timeframe = "month" | "year";

export interface RecordedRows extends ClusterRows {
  history: UtilisationHistory;
  /** What could not be read, as sentences. */
  gaps: string[];
}

export function timeframeFor(days: number): Timeframe {
  return days <= LONGEST_BY_MONTH_DAYS ? "month" : "year";
}

/** One call per node and storage. */
export async function readHistory(
  api: ProxmoxApi,
  cluster: string,
  rows: ClusterRows,
  timeframe: Timeframe,
  options: CallOptions,
): Promise<RecordedRows> {
  const online = rows.nodes.filter(({ status }) => status === "online").map(({ node }) => node);
  const read = (path: string, used: string) => unlessForbidden(readArchive(api, path, used, timeframe, options));
  const nodes = await inParallel(online, async (node) => ({
    node,
    memory: await read(`/nodes/${encodeURIComponent(node)}/rrddata`, "memused"),
  }));
  const storages = await inParallel(places(rows.storages, online), async ({ node, storage, shared }) => ({
    storage,
    node,
    shared,
    readings: await read(`/nodes/${encodeURIComponent(node)}/storage/${encodeURIComponent(storage)}/rrddata`, "used"),
  }));
  const hidden = nodes.filter(({ memory }) => memory === undefined).map(({ node }) => node);
  return {
    ...rows,
    history: {
      nodes: nodes.flatMap(({ node, memory }) =>
        memory ? [{ cluster, node, memory: memory.map(({ atMs, used }) => ({ atMs, used: used / MIB })) }] : [],
      ),
      storages: storages.flatMap(({ storage, node, shared, readings }) =>
        readings ? [{ cluster, storage, ...(shared ? {} : { node }), readings }] : [],
      ),
    },
    gaps: [
      ...(hidden.length === 0 ? [] : [`the memory of ${cluster}/${hidden.join(", ")} has no history here: it needs Sys.Audit on /nodes`]),
      ...storages
        .filter(({ readings }) => readings === undefined)
        .map(({ storage, node }) => `storage ${storage} of ${cluster}/${node} has no history here: it needs Datastore.Audit on /storage`),
    ],
  };
}

/** A shared storage once, by whichever node sees it. */
function places(storages: readonly StorageRow[], online: readonly string[]): StorageRow[] {
  const found = new Map<string, StorageRow>();
  for (const row of storages) {
    const key = row.shared ? row.storage : `${row.node}/${row.storage}`;
    if (row.status === "available" && online.includes(row.node) && !found.has(key)) found.set(key, row);
  }
  return [...found.values()];
}

async function readArchive(api: ProxmoxApi, path: string, used: string, timeframe: Timeframe, options: CallOptions): Promise<Reading[]> {
  const points = await api.request<unknown>("GET", path, { timeframe, cf: "AVERAGE" }, options);
  if (!Array.isArray(points)) return [];
  return (points as Record<string, unknown>[]).flatMap((point) => {
    const [time, value] = [Number(point.time), point[used]];
    // Steps in which nothing was measured have no value.
    const amount = value === undefined || value === null || value === "" ? Number.NaN : Number(value);
    return Number.isFinite(time) && Number.isFinite(amount) ? [{ atMs: time * 1000, used: amount }] : [];
  });
}

export function joinHistories(histories: readonly UtilisationHistory[]): UtilisationHistory {
  return { nodes: histories.flatMap(({ nodes }) => nodes), storages: histories.flatMap(({ storages }) => storages) };
}
