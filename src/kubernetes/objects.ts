/**
 * Kubernetes objects, typed by the client library. Types only: the library itself is an optional peer and is loaded when
 * it is needed.
 */
export type {
  V1Node as KubernetesNode,
  V1PersistentVolume as PersistentVolume,
  V1PersistentVolumeClaim as PersistentVolumeClaim,
  V1PersistentVolumeSpec as PersistentVolumeSpec,
  V1Pod as Pod,
  V1StatefulSet as StatefulSet,
  V1StorageClass as StorageClass,
  V1VolumeAttachment as VolumeAttachment,
  V1VolumeNodeAffinity as VolumeNodeAffinity,
} from "@kubernetes/client-node" with { "resolution-mode": "import" };
