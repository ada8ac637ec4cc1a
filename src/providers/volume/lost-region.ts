/** A volume whose region is lost: its cluster is not contacted, and Kubernetes tells what it can. */
import { type KubernetesApi, type PersistentVolume, parseVolumeHandle, REGION_LABEL } from "../../kubernetes";
import type { Session } from "../session";

export async function isLostRegion(session: Session, region: string): Promise<boolean> {
  const { clusters } = await session.federation();
  return clusters.some((cluster) => cluster.region === region && cluster.status === "lost");
}

/** Whether the disk that a PersistentVolume names is in a region that is lost. */
export function isInLostRegion(session: Session, { spec }: PersistentVolume): Promise<boolean> {
  return isLostRegion(session, parseVolumeHandle(spec?.csi?.volumeHandle ?? "").region);
}

/**
 * Nodes of that region, which are gone with it. One that reports itself ready runs, whatever the federation says, and one
 * without the label may be anywhere: neither is among them.
 */
export async function listDeadNodes(api: KubernetesApi, region: string): Promise<ReadonlySet<string>> {
  const dead = (await api.listNodes()).filter(
    ({ metadata, status }) =>
      metadata?.labels?.[REGION_LABEL] === region && status?.conditions?.find(({ type }) => type === "Ready")?.status !== "True",
  );
  return new Set(dead.flatMap(({ metadata }) => (metadata?.name === undefined ? [] : [metadata.name])));
}
