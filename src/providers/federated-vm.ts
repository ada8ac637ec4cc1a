import * as pulumi from "@pulumi/pulumi";
import type { MigrationSummary, MoveRecord } from "../migration";
import { type DeclaredOrder, declareInOrder } from "./declaration-order";
import { FederationResource } from "./resource";
import { poolInputs, poolName, type ResourcePool } from "./resource-pool";

/** `"32GiB"` (1024-based), `"32GB"` (1000-based), or a number of bytes. */
export type Size = string | number;

export interface VmDiskArgs {
  /** For messages; default `scsi0`, `scsi1`, … by position. */
  name?: pulumi.Input<string>;
  /** Logical storage class of federation.yaml; default: the cluster's primary storage. */
  storageClass?: pulumi.Input<string>;
  /** Grows in place; shrinking is refused. */
  size: pulumi.Input<Size>;
  ssd?: pulumi.Input<boolean>;
  discard?: pulumi.Input<boolean>;
  ioThread?: pulumi.Input<boolean>;
  cache?: pulumi.Input<"none" | "writethrough" | "writeback" | "directsync" | "unsafe">;
}

export interface VmNetworkArgs {
  /** Logical network of federation.yaml, or a bridge that every cluster of the pool has. */
  network: pulumi.Input<string>;
  /** Default `virtio`. */
  model?: pulumi.Input<"virtio" | "e1000" | "e1000e" | "rtl8139" | "vmxnet3">;
  /** Default: Proxmox's choice, kept for ever, also when the VM moves. */
  mac?: pulumi.Input<string>;
  firewall?: pulumi.Input<boolean>;
}

export interface CloudInitArgs {
  user?: pulumi.Input<string>;
  sshKeys?: pulumi.Input<pulumi.Input<string>[]>;
  /** One per card, as Proxmox takes it: `ip=dhcp`, `ip=10.0.0.5/24,gw=10.0.0.1`. */
  ipConfigs?: pulumi.Input<pulumi.Input<string>[]>;
  nameservers?: pulumi.Input<pulumi.Input<string>[]>;
  searchDomain?: pulumi.Input<string>;
  storageClass?: pulumi.Input<string>;
}

export interface RuleArgs {
  type: pulumi.Input<"affinity" | "anti-affinity" | "location" | "residency" | "spread">;
  target: pulumi.Input<"cluster" | "node" | "tag" | "location" | "provider" | "tier" | "jurisdiction" | "storage">;
  operator: pulumi.Input<"must" | "must_not" | "should" | "should_not">;
  value: pulumi.Input<string>;
  /** 1–100 for should and should_not; default 50. */
  weight?: pulumi.Input<number>;
  /** Default `node`. */
  scope?: pulumi.Input<"cluster" | "node">;
  /** For spread: by how many guests two places may differ. Default 1. */
  maxSkew?: pulumi.Input<number>;
}

export interface FederatedVMArgs {
  /** Name in Proxmox; default: the resource's. */
  name?: pulumi.Input<string>;
  /** A pool of federation.yaml by name, or a ResourcePool; default: `federation.default_pool`. */
  pool?: pulumi.Input<string> | ResourcePool;
  /** Per socket. */
  cores: pulumi.Input<number>;
  /** Default 1. */
  sockets?: pulumi.Input<number>;
  /** Default `x86-64-v2-AES`, which every node of the last fifteen years offers: a VM may land anywhere. */
  cpuType?: pulumi.Input<string>;
  memory: pulumi.Input<Size>;
  /** Least memory for ballooning. */
  balloon?: pulumi.Input<Size>;
  /** The first one boots. */
  disks?: pulumi.Input<pulumi.Input<VmDiskArgs>[]>;
  networks?: pulumi.Input<pulumi.Input<VmNetworkArgs>[]>;
  /** Logical image of federation.yaml, imported into the first disk. */
  image?: pulumi.Input<string>;
  cloudInit?: pulumi.Input<CloudInitArgs>;
  /** Proxmox tags; affinity rules look at them. */
  tags?: pulumi.Input<pulumi.Input<string>[]>;
  description?: pulumi.Input<string>;
  /** Default true. */
  onBoot?: pulumi.Input<boolean>;
  startOrder?: pulumi.Input<number>;
  /** The guest runs the QEMU agent: starts and moves wait for its answer. Default false. */
  agent?: pulumi.Input<boolean>;
  machine?: pulumi.Input<string>;
  /** Default `l26`. */
  osType?: pulumi.Input<string>;
  /** Default `virtio-scsi-single`. */
  scsiController?: pulumi.Input<string>;
  /** Default true. */
  running?: pulumi.Input<boolean>;
  /** Preferred place in words, e.g. `Amsterdam`. */
  location?: pulumi.Input<string>;
  /** Jurisdictions or locations it must never leave. */
  residency?: pulumi.Input<pulumi.Input<string>[]>;
  /** Stays on one cluster with VMs that carry these tags. */
  affinity?: pulumi.Input<pulumi.Input<string>[]>;
  /** Never shares a node with VMs that carry these tags. */
  antiAffinity?: pulumi.Input<pulumi.Input<string>[]>;
  /** Further placement rules, after the pool's. */
  rules?: pulumi.Input<pulumi.Input<RuleArgs>[]>;
  /**
   * Takes over a VM that exists already, as it is; what the program declares otherwise is changed afterwards. Refused for a
   * VM that another stack owns. Of no effect once it is taken over. `federate import` writes such programs.
   */
  adopt?: pulumi.Input<{ cluster: pulumi.Input<string>; vmid: pulumi.Input<number> }>;
  /** Fixes cluster, node or both. */
  pin?: pulumi.Input<{ cluster?: pulumi.Input<string>; node?: pulumi.Input<string> }>;
  /** How it is shut down for a move or a restart. Default: 180 s, never pulling the plug. */
  shutdown?: pulumi.Input<{ timeoutSeconds?: pulumi.Input<number>; force?: pulumi.Input<boolean> }>;
  /** How long a start waits for the agent. Default 300. */
  agentTimeoutSeconds?: pulumi.Input<number>;
  /** Keeps the VM's identity when the resource is renamed: the former name. */
  identity?: string;
}

export interface VmPlacement {
  cluster: string;
  node: string;
  /** One storage id per disk. */
  storages: string[];
  /** Why there, one line. */
  why: string;
}

const PLACEMENT_KEYS = [
  "cores",
  "sockets",
  "memory",
  "disks",
  "networks",
  "image",
  "tags",
  "location",
  "residency",
  "affinity",
  "antiAffinity",
  "rules",
  "pin",
  "adopt",
] as const satisfies (keyof FederatedVMArgs)[];

/** The part of a VM's arguments that decides where it goes; the rest may be outputs of other resources. */
export function placementArgs(args: FederatedVMArgs): Record<string, unknown> {
  const deciding: Record<string, unknown> = {};
  for (const key of PLACEMENT_KEYS) if (args[key] !== undefined) deciding[key] = args[key];
  // Its small disk needs a place too; what it says does not matter.
  if (args.cloudInit !== undefined) deciding.cloudInit = cloudInitPlace(args.cloudInit);
  return deciding;
}

function cloudInitPlace(cloudInit: NonNullable<FederatedVMArgs["cloudInit"]>): unknown {
  if (pulumi.Output.isInstance(cloudInit) || cloudInit instanceof Promise) return cloudInit;
  return cloudInit.storageClass === undefined ? {} : { storageClass: cloudInit.storageClass };
}

const OUTPUTS = ["placement", "migration", "vmid", "macAddresses", "addresses", "lastMove", "drift"];

/**
 * A VM somewhere in the federation. Where is decided in the preview; a change of cluster is a replacement whose create
 * half restores a backup, and nothing of the source is destroyed before the target is verified.
 */
export class FederatedVM extends FederationResource {
  /** Known in the preview. */
  declare readonly placement: pulumi.Output<VmPlacement>;
  /** What a move will do; only while one is planned. */
  declare readonly migration: pulumi.Output<MigrationSummary | undefined>;
  declare readonly vmid: pulumi.Output<number>;
  /** One per card. */
  declare readonly macAddresses: pulumi.Output<string[]>;
  /** As the guest agent reported them after the last create or update; empty without an agent. */
  declare readonly addresses: pulumi.Output<string[]>;
  declare readonly lastMove: pulumi.Output<MoveRecord | undefined>;

  /** Name in its identity: the former one of a renamed resource. */
  readonly identityName: string;

  /** @param declaredOrder of a VM that is placed together with others; only components pass it */
  constructor(name: string, args: FederatedVMArgs, options?: pulumi.CustomResourceOptions, declaredOrder?: DeclaredOrder) {
    const { identity, pool, ...inputs } = args;
    const order =
      declaredOrder ?? declareInOrder({ kind: "vm", name: identity ?? name, pool: poolName(pool), args: placementArgs(inputs) });
    super("FederatedVM", "federatedVm", name, { ...inputs, ...poolInputs(pool) }, OUTPUTS, { identityName: identity, ...order }, options);
    this.identityName = identity ?? name;
  }
}
