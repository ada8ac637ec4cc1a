import * as pulumi from "@pulumi/pulumi";
import { type DeclaredDeployment, declareDeployment } from "../providers/declaration-order";
import { FederatedVM, type FederatedVMArgs, placementArgs } from "../providers/federated-vm";
import { poolName, type ResourcePool } from "../providers/resource-pool";

export interface FederatedDeploymentArgs {
  /** Pool of all its VMs; default: `federation.default_pool`. */
  pool?: pulumi.Input<string> | ResourcePool;
  /**
   * The VMs by name. A VM is called `<deployment>-<name>` unless its `name` says otherwise. What decides where it goes (cores,
   * memory, disks, networks, image, tags, rules, location, residency, affinity, pin) must be plain values; the rest may be
   * outputs of other resources.
   */
  vms: Record<string, Omit<FederatedVMArgs, "pool">>;
}

/**
 * VMs that are placed together: one joint plan for all of them instead of one decision after the other in the program's
 * order. What can stay stays; what must move and what is new is placed with the most constrained first, so the last one is not
 * left without room that an earlier one did not need. Each VM's preview shows its place.
 */
export class FederatedDeployment extends pulumi.ComponentResource {
  readonly vms: Readonly<Record<string, FederatedVM>>;
  /** `cluster/node` by name; known in the preview. */
  readonly placements: pulumi.Output<Record<string, string>>;

  /** @throws Error when a value that decides a placement is an output of another resource */
  constructor(name: string, args: FederatedDeploymentArgs, options?: pulumi.ComponentResourceOptions) {
    super("proxmox-federation:index:FederatedDeployment", name, {}, options);
    const members = Object.entries(args.vms).map(([member, vm]) => ({ member, resource: `${name}-${member}`, vm }));
    const order = declareDeployment({ kind: "deployment", name, pool: poolName(args.pool), shapes: shapesOf(members) });
    this.vms = Object.fromEntries(
      members.map(({ member, resource, vm }) => [member, new FederatedVM(resource, { ...vm, pool: args.pool }, { parent: this }, order)]),
    );
    this.placements = pulumi
      .all(Object.fromEntries(Object.entries(this.vms).map(([member, vm]) => [member, vm.placement])))
      .apply((placements) => Object.fromEntries(Object.entries(placements).map(([member, at]) => [member, `${at.cluster}/${at.node}`])));
    this.registerOutputs({ placements: this.placements });
  }
}

function shapesOf(members: { resource: string; vm: Omit<FederatedVMArgs, "pool"> }[]): DeclaredDeployment["shapes"] {
  const shapes = new Map<string, DeclaredDeployment["shapes"][number]>();
  for (const { resource, vm } of members) {
    const args = placementArgs(vm);
    const text = shapeText(args);
    const shape = shapes.get(text) ?? { args, names: [] };
    shape.names.push(vm.identity ?? resource);
    shapes.set(text, shape);
  }
  return [...shapes.values()];
}

/** Text of equal shapes is equal. An output is refused a moment later; it only must not be read for that. */
function shapeText(args: Record<string, unknown>): string {
  return JSON.stringify(args, (_key, value: unknown) => (pulumi.Output.isInstance(value) ? "output" : value));
}
