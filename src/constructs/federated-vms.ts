import { TerraformStack } from "cdktf";
import { Construct } from "constructs";
import { toAttributes } from "./bpg/attributes";
import { ProxmoxVm } from "./bpg/vm";
import type { Federation } from "./federation";
import { type PlannedVm, planVms, type VmArgs } from "./plan";
import { aliasOf, type ProviderOptions, providersOf } from "./providers";

export interface FederatedVmsProps extends ProviderOptions {
  federation: Federation;
  /** Pool of federation.yaml; must exist in Proxmox on its clusters. Default: `federation.default_pool`. */
  pool?: string;
  /** The VMs by name, in the words of a FederatedVM of the Pulumi program. All values are plain. */
  vms: Record<string, VmArgs>;
  /** VMs that may go to another cluster: destroyed there, created empty here. Default: none, and such a move fails the synth. */
  allowMoves?: readonly string[];
  /** VMs that HA or operators move inside their cluster: Terraform leaves them where they are. Default: none. */
  ignoreNodeChanges?: readonly string[] | "all";
  /** Terraform refuses to destroy a VM as long as it is declared here, so also to replace one. Default true. */
  preventDestroy?: boolean;
}

/**
 * VMs that are placed together when the program is synthesized; a VM that exists stays where it is as long as every `must`
 * holds there. The address of a VM names its cluster (`web-1_ams`): under one address Terraform would forget the VM on the
 * old cluster instead of destroying it.
 */
export class FederatedVms extends Construct {
  readonly vms: Readonly<Record<string, ProxmoxVm>>;
  /** `cluster/node` by name. */
  readonly placements: Readonly<Record<string, string>>;

  /** @throws SynthError with everything that stands against it */
  constructor(scope: Construct, id: string, props: FederatedVmsProps) {
    super(scope, id);
    const { federation, pool, vms, allowMoves = [] } = props;
    const stack = TerraformStack.of(this);
    const planned = planVms(federation, { stack: stack.node.id, pool, vms, allowMoves });
    const providers = providersOf(stack, federation.declared.clusters, props);
    this.vms = Object.fromEntries(planned.map((vm) => [vm.name, this.construct(vm, props, providers)]));
    this.placements = Object.fromEntries(planned.map(({ name, placement }) => [name, `${placement.cluster}/${placement.node}`]));
  }

  private construct(vm: PlannedVm, props: FederatedVmsProps, providers: ReturnType<typeof providersOf>): ProxmoxVm {
    const { name, tag, spec, placement } = vm;
    const { federation, ignoreNodeChanges = [], preventDestroy = true } = props;
    const cluster = federation.declared.clusters.find(({ id }) => id === placement.cluster)!;
    const mayMove = ignoreNodeChanges === "all" || ignoreNodeChanges.includes(name);
    const address = `${name}_${aliasOf(cluster.id)}`;
    const resource = new ProxmoxVm(this, address, toAttributes(spec, placement, cluster, tag), {
      provider: providers.get(cluster.id),
      lifecycle: { ...(preventDestroy ? { preventDestroy } : {}), ...(mayMove ? { ignoreChanges: ["node_name"] } : {}) },
    });
    resource.overrideLogicalId(address);
    return resource;
  }
}
