/** Who could read or break what: accounts, links between providers, archives at rest, a single way in. */
import type { BackupStore, Cluster, CredentialSource, Federation } from "../../../config";
import { type Lint, warn } from "../finding";

export function lintSecurity(federation: Federation): Lint[] {
  return [
    ...federation.clusters.flatMap((cluster, index) => [
      ...account(cluster, ["clusters", index, "connection"]),
      ...endpoints(cluster, ["clusters", index, "connection"]),
      ...links(federation, cluster, ["clusters", index, "network", "cross_connects"]),
    ]),
    ...federation.backupStores.flatMap((store, index) => atRest(store, ["backup_stores", index, "type"])),
  ];
}

function account({ id, connection }: Cluster, path: Lint["path"]): Lint[] {
  if (connection === undefined) return [];
  const { credentials } = connection;
  if (accountOf(credentials) === "root@pam") {
    return [
      warn(
        [...path, credentials.kind === "token" ? "token_id" : "username"],
        `cluster \`${id}\` is used as root@pam: whoever has this secret owns it`,
        "Use an API token of a user with the privileges of docs/privileges.md.",
      ),
    ];
  }
  if (credentials.kind === "token") return [];
  return [
    warn(
      [...path, "username"],
      `cluster \`${id}\` is used with a password, which cannot be limited or revoked by itself`,
      "Use an API token: token_id and token_secret_env.",
    ),
  ];
}

function accountOf(credentials: CredentialSource): string | undefined {
  return credentials.kind === "token" ? credentials.tokenId.split("!")[0] : credentials.username;
}

function endpoints({ id, connection, nodes }: Cluster, path: Lint["path"]): Lint[] {
  if (connection === undefined || connection.apiUrls.length > 1 || nodes.length < 2) return [];
  return [
    warn(
      path,
      `cluster \`${id}\` is reached through one node only: it looks down while that node restarts`,
      "List more nodes in api_urls, or name a load balancer.",
    ),
  ];
}

function links(federation: Federation, { id, provider, network }: Cluster, path: Lint["path"]): Lint[] {
  return network.crossConnects.flatMap((link, index) => {
    const other = federation.clusters.find((cluster) => cluster.id === link.targetCluster);
    const crosses = provider === undefined || other?.provider === undefined || provider !== other.provider;
    if (link.type === undefined || link.type === "vpn" || !crosses) return [];
    return [
      warn(
        [...path, index, "type"],
        `the ${link.type} link \`${id}\` → \`${link.targetCluster}\` does not encrypt by itself`,
        "Run a VPN over it; archives travel on it.",
      ),
    ];
  });
}

function atRest({ name, type }: BackupStore, path: Lint["path"]): Lint[] {
  if (type === "pbs") return [];
  return [
    warn(
      path,
      `archives in backup store \`${name}\` (${type}) are readable by everyone who reaches the share`,
      "Use a Proxmox Backup Server with a client key, or encrypt the storage below it.",
    ),
  ];
}
