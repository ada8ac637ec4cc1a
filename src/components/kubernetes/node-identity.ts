/** What a VM has to tell Kubernetes about itself, so that the Proxmox CSI plugin and the Proxmox cloud controller find it. Pure. */
import { stringify } from "yaml";
import type { Cluster } from "../../config";
import { REGION_LABEL, ZONE_LABEL } from "../../kubernetes";

export interface NodeIdentity {
  /** Host name of the VM, and name of the Kubernetes node. */
  name: string;
  region: string;
  /** Proxmox node the VM is on. */
  zone: string;
  /** `proxmox://<region>/<vmid>` */
  providerId: string;
  labels: Record<string, string>;
}

export function toNodeIdentity(
  vm: { name: string; cluster: string; node: string; vmid: number },
  labels: Readonly<Record<string, string>>,
  clusters: readonly Cluster[],
): NodeIdentity {
  // A cluster that has left the file since: the default of its region.
  const region = clusters.find(({ id }) => id === vm.cluster)?.region ?? vm.cluster;
  return {
    name: vm.name,
    region,
    zone: vm.node,
    providerId: `proxmox://${region}/${vm.vmid}`,
    labels: { ...labels, [REGION_LABEL]: region, [ZONE_LABEL]: vm.node },
  };
}

/** `nodeRegistration` of kubeadm's InitConfiguration and JoinConfiguration, version v1beta4. */
export interface KubeadmNodeRegistration {
  name: string;
  kubeletExtraArgs: { name: string; value: string }[];
}

export function toNodeRegistration({ name, providerId, labels }: NodeIdentity): KubeadmNodeRegistration {
  const texts = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return {
    name,
    kubeletExtraArgs: [
      { name: "provider-id", value: providerId },
      { name: "node-labels", value: texts.join(",") },
    ],
  };
}

/** A patch of the machine's configuration for Talos. */
export function formatTalosPatch({ name, providerId, labels }: NodeIdentity): string {
  return stringify({
    machine: { network: { hostname: name }, nodeLabels: labels, kubelet: { extraArgs: { "provider-id": providerId } } },
  });
}
