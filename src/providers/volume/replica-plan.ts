/** `check` of a replicated volume: where its disk is or will be, and whether its zones can have it. */
import type { Federation } from "../../config";
import { describeNeed, type Identity, membershipNeeds, missingPrivileges } from "../../migration";
import { readClusterFacts } from "../cluster-facts";
import { findShortage } from "../room";
import type { Session } from "../session";
import { findWhereabouts } from "../whereabouts";
import { clusterOfRegion, pinOf } from "./place";
import type { VolumeSpec } from "./spec";

/** Where the disk goes by the program's word. A replicated one is where its last pod was: the plugin takes it there. */
export async function pinOfDisk(
  session: Session,
  federation: Federation,
  spec: VolumeSpec,
  identity: Identity,
): Promise<{ cluster?: string; node?: string }> {
  if (!spec.replicate || spec.region === undefined) return pinOf(federation, spec);
  const cluster = clusterOfRegion(federation, spec.region);
  const { home } = await findWhereabouts(session, identity);
  return { cluster, node: home?.cluster === cluster ? home.row.node : spec.replicate.zones[0]! };
}

interface ReplicaPlan {
  spec: VolumeSpec;
  cluster: string;
  storage: string;
  /** Pool of the disk, which the token may have its rights from. */
  pool: string;
  /** The disk has yet to be made, and with it the replicas. */
  isNew: boolean;
  /** What each zone has to take more than it has. */
  addedBytes: number;
}

/** @returns all that stands in the way, in words */
export async function refuseReplication(session: Session, plan: ReplicaPlan): Promise<string | undefined> {
  const { spec, cluster, storage, pool, isNew, addedBytes } = plan;
  if (!spec.replicate) return undefined;
  const snapshot = await session.reachable(cluster);
  if (!snapshot) return `cluster ${cluster} does not answer, and whether its zones can be replicated to cannot be told`;
  const findings: string[] = [];
  for (const zone of spec.replicate.zones) {
    const row = snapshot.storages.find((candidate) => candidate.node === zone && candidate.storage === storage);
    const shortage = await findShortage(session, { cluster, node: zone, storage }, addedBytes);
    if (!snapshot.nodes.some(({ node }) => node === zone)) findings.push(`${cluster} has no node ${zone}`);
    else if (!row) findings.push(`node ${zone} does not see storage ${storage}`);
    else if (row.shared) findings.push(`storage ${storage} is shared by the nodes and needs no replication: leave replicate out`);
    else if (row.pluginType !== "zfspool")
      findings.push(`storage ${storage} is of type ${row.pluginType ?? "unknown"}, and Proxmox replicates ZFS only (zfspool)`);
    else if (shortage !== undefined) findings.push(shortage);
  }
  const { permissions, major } = await readClusterFacts(session, cluster);
  // The owner has no vmid yet: what holds for all guests holds for it.
  const needs = membershipNeeds({ replication: true }, { vmid: 0, pool, major }).map(({ paths, ...need }) => ({
    ...need,
    paths: paths.map((path) => (path === "/vms/0" ? "/vms" : path)),
  }));
  if (isNew) findings.push(...missingPrivileges(permissions, needs).map((need) => `the token of ${cluster} lacks ${describeNeed(need)}`));
  return findings.length === 0 ? undefined : `it cannot be replicated: ${[...new Set(findings)].join("; ")}`;
}
