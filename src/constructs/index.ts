/** CDKTF constructs (`proxmox-federation/cdktf`): the federation's placement for Terraform programs. */
export { ProxmoxProvider, type ProxmoxProviderConfig } from "./bpg/provider";
export { ProxmoxVm } from "./bpg/vm";
export { SynthError, type SynthErrorCode } from "./errors";
export { FederatedVms, type FederatedVmsProps } from "./federated-vms";
export { Federation, type FederationOptions } from "./federation";
export type { VmArgs } from "./plan";
