/** What a Pulumi program imports. */
export { FederatedDeployment, type FederatedDeploymentArgs } from "./components/federated-deployment";
export {
  type CloudInitArgs,
  FederatedVM,
  type FederatedVMArgs,
  type RuleArgs,
  type Size,
  type VmDiskArgs,
  type VmNetworkArgs,
  type VmPlacement,
} from "./providers/federated-vm";
export { ProxmoxDisk, type ProxmoxDiskArgs } from "./providers/proxmox-disk";
export { ResourcePool, type ResourcePoolArgs } from "./providers/resource-pool";
export {
  type KubernetesConnectionArgs,
  ZonedPersistentVolume,
  type ZonedPersistentVolumeArgs,
  type ZonedVolumePlacement,
} from "./providers/zoned-persistent-volume";
