/** Kubernetes StorageClasses for the logical storage classes of a federation. Pure. */
import type { Cluster } from "../../config";
import { CSI_DRIVER, REGION_LABEL, type StorageClass, ZONE_LABEL } from "../../kubernetes";

export interface StorageClassArgs {
  /** Logical storage class of federation.yaml. */
  storageClass: string;
  /** What becomes of a volume whose claim is deleted. Default `Retain`. */
  reclaimPolicy?: "Retain" | "Delete";
  /** Default ext4. */
  fsType?: "ext4" | "xfs";
  cache?: "directsync" | "none" | "writeback" | "writethrough";
  /** The guest sees a solid-state disk, and freed blocks are given back. */
  ssd?: boolean;
  mountOptions?: string[];
  /** Cluster id → its nodes that volumes may be made on; default: all that have the storage. */
  zones?: Record<string, string[]>;
  /** For claims that name no class. Default false. */
  default?: boolean;
}

const DEFAULT_CLASS_ANNOTATION = "storageclass.kubernetes.io/is-default-class";

/** `proxmox-<class>` for every logical storage class of the clusters. */
export function defaultStorageClasses(clusters: readonly Cluster[]): Record<string, StorageClassArgs> {
  const classes = [...new Set(clusters.flatMap((cluster) => Object.keys(cluster.storage.classes)))].sort();
  return Object.fromEntries(classes.map((storageClass) => [`proxmox-${storageClass}`, { storageClass }]));
}

/**
 * A StorageClass names one storage of Proxmox. Where the clusters call it differently, each name gets a StorageClass of its
 * own, `<name>-<storage>`, for its regions.
 *
 * @throws Error when no cluster has the class, or a name is none for Kubernetes
 */
export function toStorageClasses(name: string, args: StorageClassArgs, clusters: readonly Cluster[]): StorageClass[] {
  const byStorage = new Map<string, Cluster[]>();
  for (const cluster of clusters) {
    const storage = cluster.storage.classes[args.storageClass];
    if (storage !== undefined) byStorage.set(storage, [...(byStorage.get(storage) ?? []), cluster]);
  }
  if (byStorage.size === 0)
    throw new Error(
      `StorageClass ${name}: none of the clusters ${clusters.map(({ id }) => id).join(", ")} has storage class ${args.storageClass}. Add it to \`storage.classes\` in federation.yaml.`,
    );
  if (args.default === true && byStorage.size > 1)
    throw new Error(
      `StorageClass ${name} cannot be the default: the clusters call its storage ${[...byStorage.keys()].join(", ")}, so it becomes several. Give the storage one name on all clusters, or choose another default.`,
    );
  return [...byStorage].map(([storage, members]) => {
    const own = byStorage.size === 1 ? name : `${name}-${storage}`;
    return toStorageClass(requireObjectName(own), storage, members, args);
  });
}

function toStorageClass(name: string, storage: string, clusters: readonly Cluster[], args: StorageClassArgs): StorageClass {
  const { cache, ssd, mountOptions = [] } = args;
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name, ...(args.default === true ? { annotations: { [DEFAULT_CLASS_ANNOTATION]: "true" } } : {}) },
    provisioner: CSI_DRIVER,
    parameters: {
      "csi.storage.k8s.io/fstype": args.fsType ?? "ext4",
      storage,
      ...(cache === undefined ? {} : { cache }),
      ...(ssd === undefined ? {} : { ssd: String(ssd) }),
    },
    reclaimPolicy: args.reclaimPolicy ?? "Retain",
    allowVolumeExpansion: true,
    // The scheduler chooses a node first: a volume made before could be in a zone where its pod finds no room.
    volumeBindingMode: "WaitForFirstConsumer",
    ...(mountOptions.length > 0 ? { mountOptions: [...mountOptions] } : {}),
    allowedTopologies: clusters.map((cluster) => ({
      matchLabelExpressions: [
        { key: REGION_LABEL, values: [cluster.region] },
        ...(args.zones?.[cluster.id] ? [{ key: ZONE_LABEL, values: [...args.zones[cluster.id]!] }] : []),
      ],
    })),
  };
}

function requireObjectName(name: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new Error(
    `"${name}" is no name for a StorageClass: lower-case letters, digits, - and . only. Choose the names yourself: storageClasses: { "my-name": { storageClass: … } }.`,
  );
}
