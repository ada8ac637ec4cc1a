import * as pulumi from "@pulumi/pulumi";
import type { MigrationSummary, MoveRecord } from "../migration";
import { type DeclaredOrder, declareInOrder } from "./declaration-order";
import type { Size } from "./federated-vm";
import { FederationResource } from "./resource";
import { poolInputs, poolName, type ResourcePool } from "./resource-pool";

export interface KubernetesConnectionArgs {
  /** File name; relative names start from the program's folder. Default: `KUBECONFIG`, `~/.kube/config`, a pod's service account. */
  kubeconfig?: pulumi.Input<string>;
  /** Text of a kubeconfig, such as the output of another resource. Kept in the state as a secret. */
  kubeconfigContent?: pulumi.Input<string>;
  /** Default: the file's current context. */
  context?: pulumi.Input<string>;
}

export interface ZonedPersistentVolumeArgs {
  /** Beginning of the PersistentVolume's name and name of the guest that owns the disk; default: the resource's. */
  name?: pulumi.Input<string>;
  /** A pool of federation.yaml by name, or a ResourcePool; default: `federation.default_pool`. */
  pool?: pulumi.Input<string> | ResourcePool;
  /** Grows in place, also while a pod uses it; shrinking is refused. */
  size: pulumi.Input<Size>;
  /** Logical storage class of federation.yaml; default: the cluster's primary storage. */
  storageClass?: pulumi.Input<string>;
  description?: pulumi.Input<string>;
  /** Region of the cluster it must be in; default: where placement finds room. */
  region?: pulumi.Input<string>;
  /** Node it must be on; default: where placement finds room. */
  zone?: pulumi.Input<string>;
  location?: pulumi.Input<string>;
  residency?: pulumi.Input<pulumi.Input<string>[]>;
  kubernetes?: pulumi.Input<KubernetesConnectionArgs>;
  /** Kubernetes StorageClass of PersistentVolume and claim; default: none. Fixed once the volume exists, like the next six. */
  storageClassName?: pulumi.Input<string>;
  /** Filesystem the CSI plugin makes on the new disk. Default ext4. */
  fsType?: pulumi.Input<"ext4" | "xfs">;
  /** Default Filesystem. */
  volumeMode?: pulumi.Input<"Filesystem" | "Block">;
  /** Default ReadWriteOnce. */
  accessMode?: pulumi.Input<"ReadWriteOnce" | "ReadWriteOncePod">;
  mountOptions?: pulumi.Input<pulumi.Input<string>[]>;
  /** How the CSI plugin attaches the disk. */
  attributes?: pulumi.Input<{
    cache?: pulumi.Input<"directsync" | "none" | "writeback" | "writethrough">;
    aio?: pulumi.Input<"native" | "threads" | "io_uring">;
    ssd?: pulumi.Input<boolean>;
    /** Default true. */
    ioThread?: pulumi.Input<boolean>;
    diskIops?: pulumi.Input<number>;
    diskMBps?: pulumi.Input<number>;
  }>;
  /** Secret with key `encryption-passphrase`: the CSI plugin encrypts the disk with LUKS. */
  luks?: pulumi.Input<{ secretName: pulumi.Input<string>; secretNamespace: pulumi.Input<string> }>;
  /** The only claim that may bind the volume. */
  claim?: pulumi.Input<{
    namespace: pulumi.Input<string>;
    name: pulumi.Input<string>;
    labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
    /** False: somebody else makes the claim, such as a StatefulSet from its template. Default true. */
    create?: pulumi.Input<boolean>;
  }>;
  /**
   * A volume of the CSI plugin, or one made by hand for it, that is taken over instead of making one: its PersistentVolume by
   * name or by volumeHandle. Everything else must be declared as it is. Nothing is copied, and the disk keeps its name and
   * stays when the resource is deleted, unless `takeOwnership` is set.
   */
  adopt?: pulumi.Input<{
    persistentVolume?: pulumi.Input<string>;
    volumeHandle?: pulumi.Input<string>;
    /**
     * Gives the disk an owner VM by renaming it, and a new PersistentVolume: it can then move, grow detached, and is deleted
     * with the resource. Nobody may use it meanwhile; see `quiesce`. Default false.
     */
    takeOwnership?: pulumi.Input<boolean>;
  }>;
  /**
   * A new volume without a `zone` goes only where a Kubernetes worker runs that takes pods. Default true; false: anywhere in
   * the pool, as for a cluster whose workers are yet to come.
   */
  besideWorkers?: boolean;
  /**
   * Zones of the `region` between which Proxmox replicates the disk, on ZFS: pods may run in any of them, and the CSI plugin
   * takes the disk along. It is made in the first. Instead of `zone`; fixed once the volume exists.
   */
  replicate?: pulumi.Input<{
    zones: pulumi.Input<pulumi.Input<string>[]>;
    /** Calendar event of Proxmox; what was written since the last run is lost with the node. Default every quarter of an hour. */
    schedule?: pulumi.Input<string>;
  }>;
  /** What the storage must be; default: as it is. A volume on a shared storage is of its whole region. */
  shared?: pulumi.Input<boolean>;
  /** Lets the data move when zone or region change. Default false: such a change is refused. */
  allowMove?: pulumi.Input<boolean>;
  /** The workload that is scaled down while the data moves, and back afterwards; without it a volume in use is not moved. */
  quiesce?: pulumi.Input<{
    kind: pulumi.Input<"StatefulSet" | "Deployment">;
    namespace: pulumi.Input<string>;
    name: pulumi.Input<string>;
    /** How long its pods may take to end. Default 300. */
    timeoutSeconds?: pulumi.Input<number>;
  }>;
  /** Keeps the volume's identity when the resource is renamed: the former name. */
  identity?: string;
}

export interface ZonedVolumePlacement {
  region: string;
  /** Absent on a storage that the whole cluster shares, and of a replicated volume. */
  zone?: string;
  cluster: string;
  node: string;
  storages: string[];
  /** One line: how the place was chosen. */
  why: string;
}

const OUTPUTS = [
  "placement",
  "migration",
  "adoption",
  "persistentVolume",
  "volumeHandle",
  "ownerVmid",
  "volid",
  "sizeBytes",
  "lastMove",
  "drift",
];

/**
 * A disk in one zone (Proxmox node) of one region (Proxmox cluster), and the PersistentVolume by which the Proxmox CSI
 * plugin attaches it. Which VM of the zone has it attached is the plugin's business.
 */
export class ZonedPersistentVolume extends FederationResource {
  /** Known in the preview. */
  declare readonly placement: pulumi.Output<ZonedVolumePlacement>;
  declare readonly migration: pulumi.Output<MigrationSummary | undefined>;
  /** What is taken over, and what that does to it; absent once it is done. */
  declare readonly adoption: pulumi.Output<string | undefined>;
  /** Name of the PersistentVolume; another one after a move. */
  declare readonly persistentVolume: pulumi.Output<string>;
  /** `region/zone/storage/volume`, by which the CSI plugin finds the disk. */
  declare readonly volumeHandle: pulumi.Output<string>;
  /** The stopped guest that owns the disk; never start or delete it by hand. Absent while an adopted disk has none. */
  declare readonly ownerVmid: pulumi.Output<number | undefined>;
  declare readonly volid: pulumi.Output<string>;
  declare readonly sizeBytes: pulumi.Output<number>;
  declare readonly lastMove: pulumi.Output<MoveRecord | undefined>;

  /** @param declaredOrder of a volume that is placed together with others */
  constructor(name: string, args: ZonedPersistentVolumeArgs, options?: pulumi.CustomResourceOptions, declaredOrder?: DeclaredOrder) {
    const { identity, pool, kubernetes, ...inputs } = args;
    super(
      "ZonedPersistentVolume",
      "zonedPersistentVolume",
      name,
      { ...inputs, ...poolInputs(pool), kubernetes: kubernetes && withSecretContent(kubernetes) },
      OUTPUTS,
      { identityName: identity, ...(declaredOrder ?? declareDisk(identity ?? name, args)) },
      options,
    );
  }
}

/** What placement weighs is the disk. */
function declareDisk(name: string, { pool, region, zone, replicate, ...args }: ZonedPersistentVolumeArgs) {
  const { size, storageClass, location, residency, adopt } = args;
  const node = zone ?? (replicate === undefined ? undefined : firstZone(replicate));
  const pin = node === undefined ? undefined : { node };
  const workers = node === undefined ? workersOf(args) : undefined;
  return declareInOrder({
    kind: "disk",
    name: `pv/${name}`,
    pool: poolName(pool),
    region,
    workers,
    ...(replicate === undefined ? {} : { isReplicated: true }),
    args: { name: args.name ?? name, size, storageClass, location, residency, pin, adopt },
  });
}

/** Plain where the program says it plainly: only that has a place in the program's order. */
function firstZone(replicate: NonNullable<ZonedPersistentVolumeArgs["replicate"]>): pulumi.Input<string> {
  const { zones } = replicate as { zones?: unknown };
  const [first] = Array.isArray(zones) ? (zones as pulumi.Input<string>[]) : [];
  return first ?? pulumi.output(replicate).apply((plain) => plain.zones[0] ?? "");
}

/** Whose workers a new volume without a zone has to be near. */
export function workersOf({ besideWorkers, kubernetes }: Pick<ZonedPersistentVolumeArgs, "besideWorkers" | "kubernetes">) {
  return besideWorkers === false ? undefined : withoutSecret(kubernetes ?? {});
}

/** What a kubeconfig's text says is not written into the inputs of other resources: the volume is outside the order then. */
function withoutSecret(connection: pulumi.Input<KubernetesConnectionArgs>): pulumi.Input<unknown> {
  return "kubeconfigContent" in connection && connection.kubeconfigContent !== undefined ? pulumi.secret(connection) : connection;
}

function withSecretContent(connection: pulumi.Input<KubernetesConnectionArgs>): pulumi.Output<pulumi.Unwrap<KubernetesConnectionArgs>> {
  return pulumi
    .output(connection)
    .apply((plain) =>
      pulumi.output(
        plain.kubeconfigContent === undefined ? plain : { ...plain, kubeconfigContent: pulumi.secret(plain.kubeconfigContent) },
      ),
    );
}
