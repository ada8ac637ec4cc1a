/** `proxmox-federation/kubernetes`: components that need the package `@pulumi/kubernetes`. */
export { type ClusterNode, MultiSiteCluster, type MultiSiteClusterArgs, type NodeGroupArgs } from "./multi-site-cluster";
export type { KubeadmNodeRegistration, NodeIdentity } from "./node-identity";
export { type CsiCredentials, ProxmoxCsi, type ProxmoxCsiArgs } from "./proxmox-csi";
export type { StorageClassArgs } from "./storage-classes";
export { type Zone, ZonedStatefulSet, type ZonedStatefulSetArgs, type ZonedVolumeTemplate } from "./zoned-stateful-set";
