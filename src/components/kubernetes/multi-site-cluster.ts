import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { FederatedVM, FederatedVMArgs, RuleArgs } from "../../providers/federated-vm";
import type { ResourcePool } from "../../providers/resource-pool";
import { FederatedDeployment } from "../federated-deployment";
import {
  formatTalosPatch,
  type KubeadmNodeRegistration,
  mayKubeletSet,
  type NodeIdentity,
  toNodeIdentity,
  toNodeRegistration,
} from "./node-identity";
import { readProgramFederation } from "./program-federation";

/** VMs of one shape. */
export interface NodeGroupArgs extends Omit<FederatedVMArgs, "pool" | "name" | "identity" | "rules" | "tags"> {
  count: number;
  /** Of the Kubernetes nodes, besides region and zone. Those that no kubelet may set itself need {@link MultiSiteClusterArgs.labelNodes}. */
  labels?: Record<string, string>;
  /** Proxmox tags besides the group's own, `<cluster>-<group>`. */
  tags?: string[];
  /** Placement rules after the group's spread. */
  rules?: RuleArgs[];
  /**
   * The group is spread evenly over the pool's clusters: `must` refuses a VM that would make two clusters differ by more than
   * one, `should` only prefers it. On each cluster the VMs should be on different nodes. Default `must`.
   */
  spread?: "must" | "should";
}

export interface MultiSiteClusterArgs {
  /** Default: `federation.default_pool`. Its clusters need vmid ranges of their own. */
  pool?: pulumi.Input<string> | ResourcePool;
  /** By group, such as `control-plane` and `worker`. The VMs are called `<cluster>-<group>-<number>`. */
  groups: Record<string, NodeGroupArgs>;
  /**
   * Labels and provider id are also written to the Kubernetes nodes by Pulumi, once they have joined: for nodes whose kubelet was
   * not told. Default false.
   */
  labelNodes?: boolean;
}

/** One VM as a Kubernetes node. */
export interface ClusterNode {
  group: string;
  vm: FederatedVM;
  identity: pulumi.Output<NodeIdentity>;
  /** For kubeadm's InitConfiguration or JoinConfiguration. */
  nodeRegistration: pulumi.Output<KubeadmNodeRegistration>;
  /** YAML for `talosctl apply-config --config-patch` or the Talos provider. */
  talosPatch: pulumi.Output<string>;
}

/**
 * The machines of one Kubernetes cluster over several sites: VMs that are placed together and spread over the clusters of
 * their pool, and what each has to tell Kubernetes so that volumes are attached to the right one.
 */
export class MultiSiteCluster extends pulumi.ComponentResource {
  /** By host name, `<cluster>-<group>-<number>`. */
  readonly nodes: Readonly<Record<string, ClusterNode>>;
  /** `cluster/node`, likewise; known in the preview. */
  readonly placements: pulumi.Output<Record<string, string>>;

  /** @throws Error that names the group's count, name or label that cannot be, or a placement's value that is an output */
  constructor(name: string, args: MultiSiteClusterArgs, options?: pulumi.ComponentResourceOptions) {
    const { clusters } = readProgramFederation().federation;
    const groups = Object.entries(args.groups);
    for (const [group, declared] of groups) requireUsable(name, group, declared, args.labelNodes === true);
    const members = groups.flatMap(([group, declared]) => membersOf(name, group, declared));
    super("proxmox-federation:kubernetes:MultiSiteCluster", name, {}, options);
    const deployment = new FederatedDeployment(
      name,
      { pool: args.pool, vms: Object.fromEntries(members.map(({ member, vm }) => [member, vm])) },
      { parent: this },
    );
    this.placements = deployment.placements.apply((places) =>
      Object.fromEntries(Object.entries(places).map(([member, place]) => [`${name}-${member}`, place])),
    );
    this.nodes = Object.fromEntries(
      members.map(({ member, group, labels }) => {
        const vm = deployment.vms[member]!;
        const hostname = `${name}-${member}`;
        const identity = pulumi
          .all([vm.placement, vm.vmid])
          .apply(([{ cluster, node }, vmid]) => toNodeIdentity({ name: hostname, cluster, node, vmid }, labels, clusters));
        return [
          hostname,
          { group, vm, identity, nodeRegistration: identity.apply(toNodeRegistration), talosPatch: identity.apply(formatTalosPatch) },
        ];
      }),
    );
    if (args.labelNodes === true) for (const [node, { identity }] of Object.entries(this.nodes)) this.labelNode(node, identity);
    this.registerOutputs({ placements: this.placements });
  }

  private labelNode(node: string, identity: pulumi.Output<NodeIdentity>): void {
    new kubernetes.core.v1.NodePatch(
      node,
      {
        metadata: {
          name: node,
          labels: identity.labels,
          // The kubelet has written the zone of its start; after a move inside the cluster it is another one.
          annotations: { "pulumi.com/patchForce": "true" },
        },
        spec: { providerID: identity.providerId },
      },
      // Taking a label from a node that runs on would hide its volumes from the CSI plugin.
      { parent: this, retainOnDelete: true },
    );
  }
}

interface Member {
  group: string;
  member: string;
  labels: Record<string, string>;
  vm: Omit<FederatedVMArgs, "pool">;
}

function requireUsable(cluster: string, group: string, { count, labels = {} }: NodeGroupArgs, labelNodes: boolean): void {
  const at = `MultiSiteCluster ${cluster}: groups.${group}`;
  if (!Number.isInteger(count) || count < 0) throw new Error(`${at}.count is ${count}; give a whole number from 0.`);
  const last = `${cluster}-${group}-${count}`;
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(last))
    throw new Error(`${at}: a node would be called ${last}, which Kubernetes refuses: at most 63 lower-case letters, digits and -.`);
  const foreign = Object.keys(labels).find((label) => !mayKubeletSet(label));
  if (foreign !== undefined && !labelNodes)
    throw new Error(`${at}.labels: no kubelet may give its node the label ${foreign}. Let Pulumi do it with labelNodes: true.`);
}

function membersOf(cluster: string, group: string, declared: NodeGroupArgs): Member[] {
  const { count, labels = {}, tags = [], rules = [], spread = "must", ...shape } = declared;
  const tag = `${cluster}-${group}`;
  const spreadRules: RuleArgs[] = [
    { type: "spread", target: "tag", operator: spread, value: tag, scope: "cluster" },
    { type: "anti-affinity", target: "tag", operator: "should", value: tag, scope: "node" },
  ];
  const vm = { ...shape, tags: [tag, ...tags], rules: [...spreadRules, ...rules] };
  return Array.from({ length: count }, (_, index) => ({ group, member: `${group}-${index + 1}`, labels, vm }));
}
