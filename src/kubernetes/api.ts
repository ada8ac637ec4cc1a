/**
 * The contract between a Kubernetes cluster and everything above it; `client.ts` implements it. `get` fails when the object
 * is absent, `find` returns `undefined`. Every method rejects with a `KubernetesError`. Every write may be repeated: creates
 * fail on what exists, deletes name the uid, patches are merges.
 */
import type { KubernetesNode, PersistentVolume, PersistentVolumeClaim, Pod, StatefulSet, StorageClass, VolumeAttachment } from "./objects";

/** A JSON merge patch; `null` removes a key. */
export type MergePatch = Record<string, unknown>;

export interface ObjectName {
  namespace: string;
  name: string;
}

/** Something that keeps a number of pods alive. */
export interface Workload extends ObjectName {
  kind: "StatefulSet" | "Deployment";
}

export interface KubernetesApi {
  /** Where it is, for messages: context and server. */
  readonly description: string;

  findVolume(name: string): Promise<PersistentVolume | undefined>;
  /** @param labelSelector `key` or `key=value` */
  listVolumes(labelSelector?: string): Promise<PersistentVolume[]>;
  createVolume(volume: PersistentVolume): Promise<PersistentVolume>;
  patchVolume(name: string, patch: MergePatch): Promise<PersistentVolume>;
  /** Absent is success. The object stays until its finalizers let go. */
  deleteVolume(volume: PersistentVolume): Promise<void>;

  findClaim(claim: ObjectName): Promise<PersistentVolumeClaim | undefined>;
  listClaims(namespace?: string): Promise<PersistentVolumeClaim[]>;
  createClaim(claim: PersistentVolumeClaim): Promise<PersistentVolumeClaim>;
  patchClaim(claim: ObjectName, patch: MergePatch): Promise<PersistentVolumeClaim>;
  /** As {@link deleteVolume}. */
  deleteClaim(claim: PersistentVolumeClaim): Promise<void>;

  listPods(namespace?: string): Promise<Pod[]>;
  listNodes(): Promise<KubernetesNode[]>;
  listVolumeAttachments(): Promise<VolumeAttachment[]>;
  listStatefulSets(namespace: string): Promise<StatefulSet[]>;
  findStorageClass(name: string): Promise<StorageClass | undefined>;

  /** Wanted number of pods; undefined when there is no such workload. */
  findReplicas(workload: Workload): Promise<number | undefined>;
  scale(workload: Workload, replicas: number): Promise<void>;
}
