import type * as pulumi from "@pulumi/pulumi";
import type { RuleArgs, Size } from "./federated-vm";
import type { PoolDefinition } from "./pool/spec";
import { FederationResource } from "./resource";

export interface ResourcePoolArgs {
  /** Proxmox pool id; default: the resource's name. A pool of that name in federation.yaml gives all that is absent here. */
  name?: pulumi.Input<string>;
  description?: pulumi.Input<string>;
  /** Ids of the member clusters. */
  clusters?: pulumi.Input<pulumi.Input<string>[]>;
  /** Enforced when VMs are planned. */
  limits?: pulumi.Input<{
    maxVms?: pulumi.Input<number>;
    maxCores?: pulumi.Input<number>;
    maxMemory?: pulumi.Input<Size>;
    maxStorage?: pulumi.Input<Size>;
  }>;
  placementPolicy?: pulumi.Input<{
    /** Default `balanced`. */
    strategy?: pulumi.Input<"balanced" | "performance" | "cost" | "geographic">;
    /** Cluster id → percent. */
    clusterWeights?: pulumi.Input<Record<string, pulumi.Input<number>>>;
    rules?: pulumi.Input<pulumi.Input<RuleArgs>[]>;
  }>;
}

/** A pool's name; plain where the program knows it without waiting. */
export function poolName(pool: pulumi.Input<string> | ResourcePool | undefined): pulumi.Input<string> | undefined {
  return pool instanceof ResourcePool ? (pool.plainName ?? pool.definition.apply(({ name }) => name)) : pool;
}

/** How a resource says which pool it is in; the definition is long and stays out of diffs. */
export function poolInputs(pool: pulumi.Input<string> | ResourcePool | undefined): pulumi.Inputs {
  if (!(pool instanceof ResourcePool)) return { pool };
  return { pool: pool.definition.apply(({ name }) => name), __poolDefinition: pool.definition };
}

/** A named pool over several clusters: the Proxmox pool on each, its limits, and where its guests may go. */
export class ResourcePool extends FederationResource {
  /** Known in the preview; what FederatedVM takes. */
  declare readonly definition: pulumi.Output<PoolDefinition>;
  /** Clusters on which the Proxmox pool exists. */
  declare readonly present: pulumi.Output<string[]>;
  /** Clusters that could not be reached yet. */
  declare readonly pending: pulumi.Output<string[]>;

  /** The pool's name where the program knows it without waiting. */
  readonly plainName: string | undefined;

  constructor(name: string, args: ResourcePoolArgs = {}, options?: pulumi.CustomResourceOptions) {
    super("ResourcePool", "resourcePool", name, { ...args }, ["definition", "present", "pending"], {}, options);
    this.plainName = typeof args.name === "string" ? args.name : args.name === undefined ? name : undefined;
  }
}
