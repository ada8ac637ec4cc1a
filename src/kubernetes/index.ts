/** Kubernetes: the client, and volumes as the Proxmox CSI plugin reads them. */
export type { KubernetesApi, MergePatch, ObjectName, Workload } from "./api";
export { createKubernetesClient, type KubernetesClientOptions } from "./client";
export { isKubernetesError, KubernetesError, type KubernetesErrorCode } from "./errors";
export type { KubernetesConnection } from "./kubeconfig";
export type * from "./objects";
export { findVolumeMark, formatVolumeMark, MARK_ANNOTATION, sameVolume, VOLUME_LABEL, type VolumeMark } from "./ownership";
export { formatStorageQuantity, parseStorageQuantity } from "./quantity";
export { CSI_DRIVER, formatVolumeHandle, parseVolumeHandle, type VolumeHandle, volidOfHandle } from "./volume-handle";
export {
  type AccessMode,
  type AttachAttributes,
  type ClaimShape,
  parseFlag,
  REGION_LABEL,
  toClaim,
  toNodeAffinity,
  toPersistentVolume,
  toReboundClaim,
  toVolumeAttributes,
  type VolumeMode,
  type VolumeShape,
  ZONE_LABEL,
  zonesOf,
} from "./volume-shape";
