/** The privileges of docs/privileges.md that this federation needs on one cluster. Pure. */
import type { Cluster, Federation } from "../../../config";
import type { Need } from "../../../migration";

export interface Requirement extends Need {
  /** `warning`: something is hidden or left out without it; everything else fails. */
  severity: "error" | "warning";
}

const GUEST_PRIVILEGES: readonly [privilege: string, why: string][] = [
  ["VM.Allocate", "create guests, claim vmids, delete"],
  ["VM.Audit", "find our guests and read their configuration"],
  ["VM.Backup", "back up, read and remove archives"],
  ["VM.Config.CDROM", "configure guests"],
  ["VM.Config.CPU", "configure guests"],
  ["VM.Config.Cloudinit", "configure guests"],
  ["VM.Config.Disk", "configure guests"],
  ["VM.Config.HWType", "configure guests"],
  ["VM.Config.Memory", "configure guests, claim vmids"],
  ["VM.Config.Network", "configure guests"],
  ["VM.Config.Options", "configure, fence and mark guests"],
  ["VM.Migrate", "change nodes inside the cluster"],
  ["VM.PowerMgmt", "start and shut down"],
];

const LOCAL_NETWORK = "/sdn/zones/localnetwork";

export function requirementsOf(federation: Federation, cluster: Cluster, major: number): Requirement[] {
  const pools = poolsOn(federation, cluster);
  return [
    ...guestRequirements(pools, major),
    ...storageRequirements(federation, cluster),
    ...networkRequirements(cluster),
    ...poolRequirements(pools),
    nodeRequirement(cluster),
  ];
}

/** Pools whose guests may be on the cluster. */
function poolsOn(federation: Federation, cluster: Cluster): string[] {
  const declared = federation.resourcePools.filter(({ clusters }) => clusters.includes(cluster.id)).map(({ name }) => name);
  return [...new Set([...declared, ...(federation.defaultPool === undefined ? [] : [federation.defaultPool])])];
}

/** On all guests, or on each pool: a grant on one pool says nothing about the others. */
function guestRequirements(pools: readonly string[], major: number): Requirement[] {
  const places = pools.length === 0 ? [["/vms"]] : pools.map((pool) => ["/vms", `/pool/${pool}`]);
  // The privilege to ask the guest agent was renamed in Proxmox VE 9.
  const agent = major >= 9 ? "VM.GuestAgent.Audit" : "VM.Monitor";
  return places.flatMap((paths) => [
    ...GUEST_PRIVILEGES.map(([privilege, why]): Requirement => ({ paths, privilege, why, severity: "error" })),
    { paths, privilege: agent, why: "wait for the guest agent", severity: "warning" },
  ]);
}

function storageRequirements(federation: Federation, cluster: Cluster): Requirement[] {
  return [...new Set([...diskStorages(cluster), ...archiveStorages(federation, cluster)])].flatMap((storage): Requirement[] => [
    {
      paths: [`/storage/${storage}`],
      privilege: "Datastore.AllocateSpace",
      why: "create disks, write and read archives",
      severity: "error",
    },
    { paths: [`/storage/${storage}`], privilege: "Datastore.Audit", why: "see how full it is, and its volumes", severity: "error" },
  ]);
}

function networkRequirements(cluster: Cluster): Requirement[] {
  const bridges = bridgesOf(cluster);
  const paths = bridges.length === 0 ? [LOCAL_NETWORK] : bridges.map((bridge) => `${LOCAL_NETWORK}/${bridge}`);
  return paths.map((path) => ({ paths: [path], privilege: "SDN.Use", why: "connect guests", severity: "error" }));
}

function poolRequirements(pools: readonly string[]): Requirement[] {
  return pools.flatMap((pool): Requirement[] => [
    { paths: [`/pool/${pool}`], privilege: "Pool.Allocate", why: "manage the pool and put guests into it", severity: "error" },
    { paths: [`/pool/${pool}`], privilege: "Pool.Audit", why: "see the pool", severity: "error" },
  ]);
}

/** Declared sizes do instead, but nobody then sees how full the nodes are. */
function nodeRequirement({ nodes }: Cluster): Requirement {
  const declared = nodes.length > 0 && nodes.every(({ cores, memoryBytes }) => cores !== undefined && memoryBytes !== undefined);
  return {
    paths: ["/nodes"],
    privilege: "Sys.Audit",
    why: "see how large and how full the nodes are",
    severity: declared ? "warning" : "error",
  };
}

/** Storages that disks of this federation may be on. */
export function diskStorages({ storage }: Cluster): string[] {
  const named = [storage.primary, ...Object.values(storage.classes), ...storage.backends.map(({ name }) => name)];
  return [...new Set(named.filter((name) => name !== undefined))];
}

/** Those of stores that are directories: what they list tells whether they are one place. */
export function directoryStorages({ backupStores, ...rest }: Federation, cluster: Cluster): string[] {
  return archiveStorages({ ...rest, backupStores: backupStores.filter(({ type }) => type !== "pbs") }, cluster);
}

/** Storages through which the cluster writes its own archives and reads those of others. */
export function archiveStorages(federation: Federation, cluster: Cluster): string[] {
  const access = federation.backupStores.flatMap((store) => store.access[cluster.id] ?? []);
  return [...new Set(access.flatMap(({ storage, readAs }) => [storage, ...Object.values(readAs)]))];
}

export function bridgesOf({ network }: Cluster): string[] {
  return [...new Set([...network.bridges, ...Object.values(network.networks).map(({ bridge }) => bridge)])];
}
