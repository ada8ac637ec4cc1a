/** Two sites, each with a cluster and a backup server of its own; the servers may pull from each other. */
import { type BackupServerApi, createBackupServerClient } from "../../../src/proxmox";
import type { LayoutBackupServer, LayoutCluster, SimulatedLayout, Simulator } from "../../../src/simulator";

export const linkBytesPerSecond = 20e6;
export const tokenId = "federation@pbs!mover";
export const secret = "00000000-1111-2222-3333-444444444444";
/** Bytes per simulated block. */
export const blockBytes = 1024 * 1024;

export function twoSites(): SimulatedLayout {
  return {
    clusters: [cluster("ams"), cluster("fra")],
    backends: ["ams", "fra"].flatMap((site) => [
      { id: `${site}-disk`, kind: "directory" as const, bytesPerSecond: 1e9 },
      { id: `${site}-store`, kind: "pbs" as const, bytesPerSecond: 1e9 },
    ]),
    backupServers: [backupServer("ams", "fra"), backupServer("fra", "ams")],
    links: [{ sites: ["ams", "fra"], bytesPerSecond: linkBytesPerSecond }],
  };
}

function cluster(site: string): LayoutCluster {
  const pbs = { server: `pbs-${site}.simulated.invalid`, datastore: "main" };
  return {
    id: site,
    era: "9.2",
    nodes: [{ name: `${site}-1` }],
    storages: [
      { storage: "local", type: "dir", backend: `${site}-disk`, options: { path: "/var/lib/vz" } },
      { storage: "pbs", type: "pbs", backend: `${site}-store`, options: { ...pbs, namespace: site } },
      { storage: "arrivals", type: "pbs", backend: `${site}-store`, options: { ...pbs, namespace: "arrivals" } },
    ],
  };
}

/** The token may read, delete and sync here, and pull from the other. */
function backupServer(site: string, other: string): LayoutBackupServer {
  const user = tokenId.split("!")[0]!;
  const grants = [
    { path: "/datastore/main", role: "DatastoreAdmin" },
    { path: "/remote", role: "RemoteAdmin" },
  ];
  return {
    id: `pbs-${site}`,
    site,
    datastores: [{ name: "main", backend: `${site}-store` }],
    rootPassword: `root of ${site}, not of ${other}`,
    tokens: [{ tokenid: tokenId, secret }],
    acl: [user, tokenId].flatMap((subject) => grants.map((grant) => ({ ...grant, subject }))),
  };
}

/** As root with a password, unless a token is wanted. */
export function clientOf(simulator: Simulator, site: string, as: "root" | "token" = "token"): BackupServerApi {
  const server = simulator.backupServers.find(({ id }) => id === `pbs-${site}`)!;
  return createBackupServerClient({
    serverId: server.id,
    url: server.url,
    credentials:
      as === "token"
        ? { kind: "token", tokenId, secret: server.tokens[tokenId]! }
        : { kind: "password", username: "root@pam", password: server.passwords["root@pam"]! },
    tls: { fingerprint: server.fingerprint, verify: true },
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 20_000,
  });
}
