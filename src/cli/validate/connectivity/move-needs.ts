/** Privileges of docs/privileges.md beyond the basic roles, for what the paths and clusters of the file make use of. Pure. */
import { type Cluster, type Federation, type MigrationMethod, type MigrationPath, storesOfMember } from "../../../config";
import type { Requirement } from "./needs";

const ROOT = ["/"];
/** On `/vms`, whatever a pool grants: the guest arrives under a new vmid that is in no pool yet. */
const ARRIVAL = [
  "VM.Allocate",
  "VM.Audit",
  "VM.PowerMgmt",
  ...["Options", "CPU", "Memory", "Disk", "CDROM", "Cloudinit", "Network", "HWType"].map((key) => `VM.Config.${key}`),
];

export function moveRequirements(federation: Federation, cluster: Cluster, major: number): Requirement[] {
  const { paths } = federation.migration;
  const outgoing = paths.filter(({ sourceCluster }) => sourceCluster === cluster.id);
  const incoming = paths.filter(({ targetCluster }) => targetCluster === cluster.id);
  const remote = incoming.filter(({ method }) => isRemote(method));
  return [
    ...remoteTarget(remote, comesByDefault(federation, cluster, incoming)),
    ...highAvailability(cluster, [...outgoing, ...incoming]),
    ...replication(incoming, major),
    ...bandwidth(outgoing),
    ...backupJobs(federation, cluster),
  ];
}

/** Proxmox remote migration; `backup-restore` needs nothing beyond the basic roles. */
function isRemote(method: MigrationMethod | undefined): boolean {
  return method === "storage" || method === "offline";
}

/** Whether some cluster without a path here moves its guests by the default method, and that is a remote one. */
function comesByDefault({ clusters, migration }: Federation, { id }: Cluster, incoming: readonly MigrationPath[]): boolean {
  if (!isRemote(migration.defaultMethod)) return false;
  return clusters.some((other) => other.id !== id && !incoming.some(({ sourceCluster }) => sourceCluster === other.id));
}

/** Live finding 30: the target's token is asked for Sys.Audit on `/` at once, for the rest only inside the task. */
function remoteTarget(paths: readonly MigrationPath[], byDefault: boolean): Requirement[] {
  if (paths.length === 0 && !byDefault) return [];
  const from = paths.length === 0 ? "other clusters" : paths.map(({ sourceCluster }) => sourceCluster).join(", ");
  const why = `take in guests from ${from} by remote migration`;
  return [
    { paths: ROOT, privilege: "Sys.Audit", why, severity: "error" },
    { paths: ROOT, privilege: "Sys.Incoming", why, severity: "error" },
    ...ARRIVAL.map((privilege): Requirement => ({ paths: ["/vms"], privilege, why, severity: "error" })),
  ];
}

function highAvailability({ capabilities }: Cluster, paths: readonly MigrationPath[]): Requirement[] {
  if (capabilities.ha !== true && !paths.some(({ haNames }) => haNames !== undefined)) return [];
  const why = "move guests that HA manages";
  return ["Sys.Audit", "Sys.Console"].map((privilege): Requirement => ({ paths: ROOT, privilege, why, severity: "warning" }));
}

function replication(incoming: readonly MigrationPath[], major: number): Requirement[] {
  if (!incoming.some(({ nodeNames }) => nodeNames !== undefined)) return [];
  const why = "recreate replication jobs";
  // Up to Proxmox VE 8 it is a right on storages.
  return major >= 9
    ? [{ paths: ["/vms"], privilege: "VM.Replicate", why, severity: "warning" }]
    : [{ paths: ["/storage"], privilege: "Datastore.Allocate", why, severity: "warning" }];
}

function bandwidth(outgoing: readonly MigrationPath[]): Requirement[] {
  if (!outgoing.some(({ maxBandwidthBitsPerSecond }) => maxBandwidthBitsPerSecond !== undefined)) return [];
  return [{ paths: ROOT, privilege: "Sys.Modify", why: "keep backups to max_bandwidth", severity: "warning" }];
}

/** A pool with `replication` has a backup job on each member. */
function backupJobs({ resourcePools, backupStores }: Federation, { id }: Cluster): Requirement[] {
  return resourcePools.flatMap(({ name, clusters, replication }): Requirement[] => {
    if (replication === undefined || !clusters.includes(id)) return [];
    const storage = storesOfMember(replication, backupStores, id)[0]?.access[id]?.storage;
    if (storage === undefined) return [];
    const why = `set up the backup job of pool ${name}`;
    return [
      { paths: ROOT, privilege: "Sys.Modify", why, severity: "error" },
      { paths: ROOT, privilege: "Sys.Audit", why, severity: "error" },
      { paths: [`/storage/${storage}`], privilege: "Datastore.Allocate", why, severity: "error" },
    ];
  });
}
