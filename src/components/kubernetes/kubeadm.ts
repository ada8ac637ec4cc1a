/** Machines of a MultiSiteCluster as nodes of a cluster that kubeadm makes. */
import * as pulumi from "@pulumi/pulumi";
import { formatInit, formatJoin, type KubeadmInit, type KubeadmJoin, type KubeadmTexts } from "./kubeadm-texts";
import type { ClusterNode } from "./multi-site-cluster";

export type KubeadmInitArgs = { [Key in keyof KubeadmInit]: pulumi.Input<KubeadmInit[Key]> };
export type KubeadmJoinArgs = { [Key in keyof KubeadmJoin]: pulumi.Input<KubeadmJoin[Key]> };

/** For the first machine, which makes the cluster. Secret, since the texts hold the token. Bad arguments fail the program. */
export function kubeadmInit(node: ClusterNode, args: KubeadmInitArgs): pulumi.Output<KubeadmTexts> {
  return pulumi.secret(pulumi.all([node.identity, pulumi.output(args)]).apply(([identity, init]) => formatInit(identity, init)));
}

/** For every further machine; one with `certificateKey` becomes a control plane. Secret. Bad arguments fail the program. */
export function kubeadmJoin(node: ClusterNode, args: KubeadmJoinArgs): pulumi.Output<KubeadmTexts> {
  return pulumi.secret(pulumi.all([node.identity, pulumi.output(args)]).apply(([identity, join]) => formatJoin(identity, join)));
}
