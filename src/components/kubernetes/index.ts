/** `proxmox-federation/kubernetes`: components that need the package `@pulumi/kubernetes`. */
export { type KubeadmInitArgs, type KubeadmJoinArgs, kubeadmInit, kubeadmJoin } from "./kubeadm";
export type { KubeadmTexts } from "./kubeadm-texts";
export { type ClusterNode, MultiSiteCluster, type MultiSiteClusterArgs, type NodeGroupArgs } from "./multi-site-cluster";
export type { KubeadmNodeRegistration, NodeIdentity } from "./node-identity";
export { type CsiChartArgs, type CsiCredentials, ProxmoxCsi, type ProxmoxCsiArgs } from "./proxmox-csi";
export type { StorageClassArgs } from "./storage-classes";
export { type Zone, ZonedStatefulSet, type ZonedStatefulSetArgs, type ZonedVolumeTemplate } from "./zoned-stateful-set";
