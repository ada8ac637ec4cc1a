/** Migration paths: limits, windows, and methods that the link does not carry. */
import type { CrossConnect, Federation, MigrationPath } from "../../../config";
import { type Lint, warn } from "../finding";

/** Live methods and stretched clusters want less than this between their ends; the guide's figure. */
export const LOW_LATENCY_MS = 10;

export function lintMigration(federation: Federation): Lint[] {
  return federation.migration.paths.flatMap((path, index) => {
    const at = ["migration_policies", "paths", index];
    const way = `${path.sourceCluster} → ${path.targetCluster}`;
    return [
      ...bandwidth(path, way, at),
      ...window(path, way, at),
      ...compression(federation, path, way, at),
      ...encryption(federation, path, way, at),
      ...method(federation, path, way, at),
    ];
  });
}

function bandwidth(path: MigrationPath, way: string, at: Lint["path"]): Lint[] {
  if (path.maxBandwidthBitsPerSecond !== undefined) return [];
  return [warn(at, `moves ${way} have no bandwidth limit: they may take the whole link`, "Set max_bandwidth, for example 500Mbps.")];
}

function window(path: MigrationPath, way: string, at: Lint["path"]): Lint[] {
  if (path.window !== undefined) return [];
  return [warn(at, `moves ${way} may start at any time`, "Set migration_window to off-peak hours, here or for all paths.")];
}

function compression(federation: Federation, path: MigrationPath, way: string, at: Lint["path"]): Lint[] {
  const [source, target] = [providerOf(federation, path.sourceCluster), providerOf(federation, path.targetCluster)];
  if (path.compression || source === undefined || source === target) return [];
  return [warn([...at, "compression_enabled"], `moves ${way} cross providers uncompressed`, "Remove compression_enabled: false.")];
}

/**
 * Backup servers and remote migrations speak TLS; what goes through a share does not. A VPN, or a link that says nothing about
 * itself, is left alone: what it does is not known here.
 */
function encryption(federation: Federation, path: MigrationPath, way: string, at: Lint["path"]): Lint[] {
  const [source, target] = [providerOf(federation, path.sourceCluster), providerOf(federation, path.targetCluster)];
  if (path.encryptionRequired || source === undefined || source === target || !usesShare(federation, path)) return [];
  const links = linksBetween(federation, path.sourceCluster, path.targetCluster);
  if (links.some(({ type }) => type === undefined || type === "vpn")) return [];
  return [
    warn(
      at,
      `moves ${way} cross providers, and neither a VPN nor encrypted archives are asked for`,
      "Set encryption_required: true, and use a Proxmox Backup Server with a client key.",
    ),
  ];
}

function usesShare({ backupStores }: Federation, { method, backupStore, sourceCluster, targetCluster }: MigrationPath): boolean {
  if (method !== "backup-restore") return false;
  const usable = backupStores.filter(({ name, access }) =>
    backupStore === undefined ? sourceCluster in access && targetCluster in access : name === backupStore,
  );
  return usable.some(({ type }) => type !== "pbs");
}

function method(federation: Federation, path: MigrationPath, way: string, at: Lint["path"]): Lint[] {
  if (path.method !== "storage") return [];
  const latencyMs = latencyBetween(federation, path.sourceCluster, path.targetCluster);
  if (latencyMs === undefined || latencyMs < LOW_LATENCY_MS) return [];
  return [
    warn(
      [...at, "method"],
      `storage migration ${way} over a link of ${latencyMs} ms: it needs less than ${LOW_LATENCY_MS} ms`,
      "Use backup-restore, which works over any network.",
    ),
  ];
}

/** The larger of what the two ends declare. */
export function latencyBetween(federation: Federation, source: string, target: string): number | undefined {
  const declared = linksBetween(federation, source, target).flatMap(({ latencyMs }) => latencyMs ?? []);
  return declared.length === 0 ? undefined : Math.max(...declared);
}

/** As either end declares them. */
function linksBetween(federation: Federation, source: string, target: string): CrossConnect[] {
  return federation.clusters.flatMap((cluster) =>
    cluster.network.crossConnects.filter((link) => {
      const ends = [cluster.id, link.targetCluster];
      return ends.includes(source) && ends.includes(target);
    }),
  );
}

function providerOf(federation: Federation, id: string): string | undefined {
  return federation.clusters.find((cluster) => cluster.id === id)?.provider;
}
