/** PersistentVolumes and claims exactly as the Proxmox CSI plugin reads them. Pure. */
import type { PersistentVolume, PersistentVolumeClaim, VolumeNodeAffinity } from "./objects";
import { formatVolumeMark, MARK_ANNOTATION, VOLUME_LABEL, type VolumeMark } from "./ownership";
import { formatStorageQuantity } from "./quantity";
import { CSI_DRIVER, formatVolumeHandle, type VolumeHandle } from "./volume-handle";

export const REGION_LABEL = "topology.kubernetes.io/region";
export const ZONE_LABEL = "topology.kubernetes.io/zone";

export type AccessMode = "ReadWriteOnce" | "ReadWriteOncePod";
export type VolumeMode = "Filesystem" | "Block";

/** Attributes of a volume that the plugin applies when it attaches it; see its StorageClass parameters. */
export interface AttachAttributes {
  cache?: "directsync" | "none" | "writeback" | "writethrough";
  aio?: "native" | "threads" | "io_uring";
  ssd?: boolean;
  ioThread?: boolean;
  diskIops?: number;
  diskMBps?: number;
}

export interface VolumeShape {
  name: string;
  handle: VolumeHandle;
  /** Real size of the disk. */
  sizeBytes: number;
  /** Name of the Kubernetes StorageClass; `""` binds claims that ask for none. */
  storageClassName: string;
  accessMode: AccessMode;
  volumeMode: VolumeMode;
  fsType: "ext4" | "xfs";
  mountOptions: readonly string[];
  attributes: AttachAttributes;
  /**
   * Zones that reach a volume whose handle names none: the nodes of a shared storage that not every node has, or those it
   * is replicated to. Absent: every node of the region.
   */
  reachableZones?: readonly string[];
  /** Zones the disk is replicated to, and the calendar event by which: the plugin moves the owner VM to the pod's zone. */
  replication?: { zones: readonly string[]; schedule: string };
  /** Secret with key `encryption-passphrase`: the plugin encrypts the disk with LUKS. */
  luks?: { secretName: string; secretNamespace: string };
  /** The only claim that may bind it. */
  claim?: { namespace: string; name: string };
  mark: VolumeMark;
  /** Value of the label by which all PersistentVolumes of this volume are found. */
  identityTag: string;
}

export function toPersistentVolume(shape: VolumeShape): PersistentVolume {
  const { luks, claim } = shape;
  const secretRef = luks && { name: luks.secretName, namespace: luks.secretNamespace };
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: {
      name: shape.name,
      labels: { [VOLUME_LABEL]: shape.identityTag },
      annotations: { [MARK_ANNOTATION]: formatVolumeMark(shape.mark) },
    },
    spec: {
      capacity: { storage: formatStorageQuantity(shape.sizeBytes) },
      accessModes: [shape.accessMode],
      volumeMode: shape.volumeMode,
      // Unlike in a claim, an empty name is the same as none here.
      ...(shape.storageClassName === "" ? {} : { storageClassName: shape.storageClassName }),
      // Only this product deletes the disk: with `Delete` the plugin would, as soon as the claim goes.
      persistentVolumeReclaimPolicy: "Retain",
      ...(shape.mountOptions.length > 0 ? { mountOptions: [...shape.mountOptions] } : {}),
      // Without uid: the claim may be made later, and binds by name.
      ...(claim ? { claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: claim.namespace, name: claim.name } } : {}),
      csi: {
        driver: CSI_DRIVER,
        volumeHandle: formatVolumeHandle(shape.handle),
        ...(shape.volumeMode === "Filesystem" ? { fsType: shape.fsType } : {}),
        volumeAttributes: toVolumeAttributes(shape.handle.storage, shape.attributes, shape.replication),
        // The plugin opens an encrypted disk when it stages it and again when it grows it.
        ...(secretRef ? { nodeStageSecretRef: secretRef, nodeExpandSecretRef: secretRef } : {}),
      },
      nodeAffinity: toNodeAffinity(shape.handle, shape.reachableZones),
    },
  };
}

/** Strings all of them. A disk is left out of its guest's backups: restored with the guest it would exist twice. */
export function toVolumeAttributes(
  storage: string,
  attributes: AttachAttributes,
  replication?: VolumeShape["replication"],
): Record<string, string> {
  const { cache, aio, ssd, ioThread, diskIops, diskMBps } = attributes;
  const flag = (value: boolean) => (value ? "1" : "0");
  return {
    storage,
    backup: "0",
    replicate: flag(replication !== undefined),
    ...(replication ? { replicateZones: replication.zones.join(","), replicateSchedule: replication.schedule } : {}),
    iothread: flag(ioThread ?? true),
    ...(cache === undefined ? {} : { cache }),
    ...(aio === undefined ? {} : { aio }),
    ...(ssd === undefined ? {} : { ssd: flag(ssd) }),
    ...(diskIops === undefined ? {} : { diskIOPS: String(diskIops) }),
    ...(diskMBps === undefined ? {} : { diskMBps: String(diskMBps) }),
  };
}

/** As Go's `strconv.ParseBool` reads it, which the plugin uses. */
export function parseFlag(text: string | undefined): boolean {
  return ["1", "t", "T", "true", "TRUE", "True"].includes(text ?? "");
}

/**
 * Without the region a pod could land in another Proxmox cluster, where the plugin would attach the disk to whatever guest
 * has the node's vmid.
 */
export function toNodeAffinity(
  { region, zone }: Pick<VolumeHandle, "region" | "zone">,
  reachableZones?: readonly string[],
): VolumeNodeAffinity {
  const inRegion = { key: REGION_LABEL, operator: "In", values: [region] };
  const inZone = (name: string) => ({ matchExpressions: [inRegion, { key: ZONE_LABEL, operator: "In", values: [name] }] });
  const zones = zone === undefined ? reachableZones : [zone];
  return { required: { nodeSelectorTerms: zones ? zones.map(inZone) : [{ matchExpressions: [inRegion] }] } };
}

/** The zones that a PersistentVolume's affinity names; undefined: all of its region. */
export function zonesOf({ spec }: PersistentVolume): string[] | undefined {
  const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const inZones = terms.flatMap(({ matchExpressions = [] }) => matchExpressions.filter(({ key }) => key === ZONE_LABEL));
  return inZones.length === 0 ? undefined : inZones.flatMap(({ values = [] }) => values);
}

export interface ClaimShape {
  namespace: string;
  name: string;
  labels: Record<string, string>;
  sizeBytes: number;
  storageClassName: string;
  accessMode: AccessMode;
  volumeMode: VolumeMode;
  /** The PersistentVolume it binds. */
  volumeName: string;
  mark: VolumeMark;
}

export function toClaim(shape: ClaimShape): PersistentVolumeClaim {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      namespace: shape.namespace,
      name: shape.name,
      ...(Object.keys(shape.labels).length > 0 ? { labels: { ...shape.labels } } : {}),
      annotations: { [MARK_ANNOTATION]: formatVolumeMark(shape.mark) },
    },
    spec: {
      accessModes: [shape.accessMode],
      volumeMode: shape.volumeMode,
      storageClassName: shape.storageClassName,
      volumeName: shape.volumeName,
      resources: { requests: { storage: formatStorageQuantity(shape.sizeBytes) } },
    },
  };
}

/** A claim for another volume in place of a deleted one: what the user and controllers wrote on it stays. */
export function toReboundClaim(former: PersistentVolumeClaim, volumeName: string): PersistentVolumeClaim {
  const { metadata, spec } = former;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      namespace: metadata?.namespace,
      name: metadata?.name,
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      annotations: withoutBindingState(metadata?.annotations ?? {}),
      ...(metadata?.ownerReferences ? { ownerReferences: metadata.ownerReferences } : {}),
    },
    spec: {
      accessModes: spec?.accessModes,
      volumeMode: spec?.volumeMode,
      storageClassName: spec?.storageClassName,
      resources: spec?.resources,
      volumeName,
    },
  };
}

/** What the volume controllers wrote about the former binding would be taken for the state of the new one. */
function withoutBindingState(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(
      ([key]) =>
        !key.startsWith("pv.kubernetes.io/") && !key.startsWith("volume.kubernetes.io/") && !key.startsWith("volume.beta.kubernetes.io/"),
    ),
  );
}
