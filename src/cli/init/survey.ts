/** What a cluster says about itself, as far as a federation file wants to know. */
import { createProxmoxClient, type StorageDefinition } from "../../proxmox";
import { measureRoundTrip, probeEndpoint } from "../validate/connectivity/endpoint";

const TIMEOUT_MS = 10_000;

export interface Survey {
  version: string;
  nodes: { name: string; cores?: number; memoryBytes?: number }[];
  /** Storages that take disks. */
  diskStorages: { storage: string; type: string; totalBytes?: number }[];
  /** Storages that take backups, with what tells two clusters that they mean the same one. */
  backupStorages: { storage: string; type: string; identity: string }[];
  bridges: string[];
}

export interface Endpoint {
  fingerprint: string;
  /** Why the system does not trust the certificate; absent: it does. */
  distrust?: string;
}

/** @throws Error when nothing answers there */
export async function probe(url: string): Promise<Endpoint> {
  const found = await probeEndpoint(url, await measureRoundTrip(url, { timeoutMs: TIMEOUT_MS }), { timeoutMs: TIMEOUT_MS });
  if (!found.reachable) throw new Error(found.reason);
  return { fingerprint: found.fingerprint, ...(found.distrust === undefined ? {} : { distrust: found.distrust }) };
}

/** @throws ProxmoxError as the cluster refuses */
export async function survey(cluster: { id: string; url: string; fingerprint?: string; tokenId: string; secret: string }): Promise<Survey> {
  const api = createProxmoxClient({
    clusterId: cluster.id,
    endpoints: [cluster.url],
    credentials: { kind: "token", tokenId: cluster.tokenId, secret: cluster.secret },
    tls: { fingerprint: cluster.fingerprint, verify: true },
    connectTimeoutMs: TIMEOUT_MS,
    requestTimeoutMs: TIMEOUT_MS,
  });
  try {
    const [{ version }, rows, definitions] = await Promise.all([api.getVersion(), api.listResources(), api.listStorageDefinitions()]);
    const nodes = rows.filter((row) => row.kind === "node");
    const online = nodes.find(({ status }) => status === "online");
    const sizeOf = (storage: string) =>
      rows.find((row) => row.kind === "storage" && row.storage === storage && row.totalBytes !== undefined);
    return {
      version,
      nodes: nodes.map(({ node, maxCpu, maxMemoryBytes }) => ({ name: node, cores: maxCpu, memoryBytes: maxMemoryBytes })),
      diskStorages: definitions
        .filter(({ content }) => content.includes("images"))
        .map(({ storage, type }) => {
          const row = sizeOf(storage);
          return { storage, type, totalBytes: row?.kind === "storage" ? row.totalBytes : undefined };
        }),
      backupStorages: definitions
        .filter(({ content }) => content.includes("backup"))
        .flatMap((definition) => {
          const identity = identityOf(definition);
          return identity === undefined ? [] : [{ storage: definition.storage, type: definition.type, identity }];
        }),
      bridges: online ? await api.listBridges(online.node) : [],
    };
  } finally {
    await api.close();
  }
}

/** Server and path: a store that two clusters reach under the same is the same. Local folders are never shared. */
function identityOf({ type, raw }: StorageDefinition): string | undefined {
  const path = { pbs: raw.datastore, nfs: raw.export, cifs: raw.share }[type];
  return raw.server === undefined || path === undefined ? undefined : `${type} ${String(raw.server)} ${String(path)}`;
}
