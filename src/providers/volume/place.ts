/** Regions and zones: how Kubernetes names the clusters and nodes of a federation. */
import type { Federation } from "../../config";
import type { VolumeHandle } from "../../kubernetes";
import { parseVolid } from "../../proxmox";
import { type Session, UserError } from "../session";
import type { VolumeSpec } from "./spec";
import type { VolumePlacement } from "./state";

/** Where the program wants it, as placement takes it. */
export function pinOf(federation: Federation, spec: Pick<VolumeSpec, "region" | "zone">): { cluster?: string; node?: string } {
  return {
    ...(spec.region === undefined ? {} : { cluster: clusterOfRegion(federation, spec.region) }),
    ...(spec.zone === undefined ? {} : { node: spec.zone }),
  };
}

/** federation.yaml gives no region to two clusters. @throws UserError for a region that is no cluster's */
export function clusterOfRegion(federation: Federation, region: string): string {
  const cluster = federation.clusters.find((candidate) => candidate.region === region);
  if (cluster) return cluster.id;
  throw new UserError(
    `Region ${region} is no cluster's (known: ${federation.clusters.map((known) => known.region).join(", ")}). It is clusters[].region of federation.yaml, by default the cluster's id.`,
  );
}

export function regionOfCluster(federation: Federation, clusterId: string): string {
  return federation.clusters.find((cluster) => cluster.id === clusterId)?.region ?? clusterId;
}

export interface StorageReach {
  shared: boolean;
  /** Nodes that see a shared storage, when not all of the cluster do. */
  zones?: string[];
}

/** Who reaches a volume on that storage. */
export async function storageReach(session: Session, clusterId: string, storage: string): Promise<StorageReach> {
  const snapshot = await session.reachable(clusterId);
  if (!snapshot) throw new UserError(`Cluster ${clusterId} does not answer: which nodes share its storage ${storage} cannot be told.`);
  const rows = snapshot.storages.filter((row) => row.storage === storage);
  if (!rows.some((row) => row.shared)) return { shared: false };
  const zones = [...new Set(rows.map((row) => row.node))].sort();
  return { shared: true, ...(zones.length < snapshot.nodes.length ? { zones } : {}) };
}

export function handleOf(placement: Pick<VolumePlacement, "region" | "zone">, volid: string): VolumeHandle {
  const { storage, volname } = parseVolid(volid);
  return { region: placement.region, ...(placement.zone === undefined ? {} : { zone: placement.zone }), storage, volname };
}

/** `eu-1/node-2`, or `eu-1` for what its whole region shares. */
export function describePlace({ region, zone }: { region: string; zone?: string }): string {
  return zone === undefined ? region : `${region}/${zone}`;
}

/** Whether a volume that is there serves one that is wanted here. */
export function samePlace(a: { region: string; zone?: string }, b: { region: string; zone?: string }): boolean {
  return a.region === b.region && a.zone === b.zone;
}
