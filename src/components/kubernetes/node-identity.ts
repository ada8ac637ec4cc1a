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

const KUBELET_LABELS = ["kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", REGION_LABEL, ZONE_LABEL];

/** A kubelet that is told another label of Kubernetes' own does not start: only an administrator may give it to a node. */
export function mayKubeletSet(label: string): boolean {
  const namespace = label.includes("/") ? label.split("/")[0]! : "";
  const isOf = (domain: string) => namespace === domain || namespace.endsWith(`.${domain}`);
  if (!isOf("kubernetes.io") && !isOf("k8s.io")) return true;
  return KUBELET_LABELS.includes(label) || isOf("node.kubernetes.io") || isOf("kubelet.kubernetes.io");
}

function kubeletLabels({ labels }: NodeIdentity): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([label]) => mayKubeletSet(label)));
}

/** `nodeRegistration` of kubeadm's InitConfiguration and JoinConfiguration, version v1beta4. */
export interface KubeadmNodeRegistration {
  name: string;
  kubeletExtraArgs: { name: string; value: string }[];
}

export function toNodeRegistration(node: NodeIdentity): KubeadmNodeRegistration {
  const texts = Object.entries(kubeletLabels(node)).map(([key, value]) => `${key}=${value}`);
  return {
    name: node.name,
    kubeletExtraArgs: [
      { name: "provider-id", value: node.providerId },
      { name: "node-labels", value: texts.join(",") },
    ],
  };
}

/** A patch of the machine's configuration for Talos. */
export function formatTalosPatch(node: NodeIdentity): string {
  const kubelet = { extraArgs: { "provider-id": node.providerId } };
  return stringify({ machine: { network: { hostname: node.name }, nodeLabels: kubeletLabels(node), kubelet } });
}
