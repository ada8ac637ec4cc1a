import type * as pulumi from "@pulumi/pulumi";
import type { MigrationSummary, MoveRecord } from "../migration";
import { declareInOrder } from "./declaration-order";
import type { FederatedVM, Size, VmPlacement } from "./federated-vm";
import { FederationResource } from "./resource";
import { poolInputs, poolName, type ResourcePool } from "./resource-pool";

export interface ProxmoxDiskArgs {
  /** Name of the stopped guest that owns the volume; default: the resource's. */
  name?: pulumi.Input<string>;
  /** A pool of federation.yaml by name, or a ResourcePool; default: `federation.default_pool`. */
  pool?: pulumi.Input<string> | ResourcePool;
  /** Grows in place; shrinking is refused. */
  size: pulumi.Input<Size>;
  /** Logical storage class of federation.yaml; default: the cluster's primary storage. */
  storageClass?: pulumi.Input<string>;
  description?: pulumi.Input<string>;
  location?: pulumi.Input<string>;
  residency?: pulumi.Input<pulumi.Input<string>[]>;
  pin?: pulumi.Input<{ cluster?: pulumi.Input<string>; node?: pulumi.Input<string> }>;
  /** The VM it is plugged into. It follows that VM from cluster to cluster, with its data. */
  attachTo?: FederatedVM;
  ssd?: pulumi.Input<boolean>;
  discard?: pulumi.Input<boolean>;
  ioThread?: pulumi.Input<boolean>;
  /** Keeps the disk's identity when the resource is renamed: the former name. */
  identity?: string;
}

const OUTPUTS = ["placement", "migration", "ownerVmid", "volid", "sizeBytes", "slot", "lastMove", "drift"];

/** A disk with a life of its own: it outlives every VM it is attached to and moves with its data. */
export class ProxmoxDisk extends FederationResource {
  /** Known in the preview. */
  declare readonly placement: pulumi.Output<VmPlacement>;
  declare readonly migration: pulumi.Output<MigrationSummary | undefined>;
  /** The stopped guest that owns the volume; never start or delete it by hand. */
  declare readonly ownerVmid: pulumi.Output<number>;
  /** `local-lvm:vm-3000-disk-0`; another one after a move. */
  declare readonly volid: pulumi.Output<string>;
  declare readonly sizeBytes: pulumi.Output<number>;
  /** `scsi16` of the VM it is attached to. */
  declare readonly slot: pulumi.Output<string | undefined>;
  declare readonly lastMove: pulumi.Output<MoveRecord | undefined>;

  constructor(name: string, args: ProxmoxDiskArgs, options?: pulumi.CustomResourceOptions) {
    const { identity, pool, attachTo, ...inputs } = args;
    const order = declareInOrder({
      kind: "disk",
      name: identity ?? name,
      pool: poolName(pool),
      attachedTo: attachTo?.identityName,
      args: inputs,
    });
    super(
      "ProxmoxDisk",
      "proxmoxDisk",
      name,
      {
        ...inputs,
        ...poolInputs(pool),
        // Place and vmid apart: in the preview of a move the place is known and the vmid is not.
        attachTo: attachTo && { cluster: attachTo.placement.cluster, node: attachTo.placement.node, vmid: attachTo.vmid },
      },
      OUTPUTS,
      { identityName: identity, ...order },
      options,
    );
  }
}
