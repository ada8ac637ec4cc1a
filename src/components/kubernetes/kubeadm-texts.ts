/** What kubeadm (configuration v1beta4) and cloud-init read on a machine that becomes a Kubernetes node. Pure. */
import { stringify } from "yaml";
import { type NodeIdentity, toNodeRegistration } from "./node-identity";

/** The first machine of a cluster: `kubeadm init`. */
export interface KubeadmInit {
  /** `host:port` at which every node reaches the API server: of a load balancer, or a name that outlives one machine. */
  controlPlaneEndpoint: string;
  /** With which the others join: `abcdef.0123456789abcdef`. kubeadm forgets it after a day. */
  token: string;
  /** 64 hexadecimal digits: lets further control planes fetch the cluster's keys, for two hours. */
  certificateKey?: string;
  /** Such as `v1.34.1`; default: kubeadm's own. */
  kubernetesVersion?: string;
  /** Such as `10.244.0.0/16`, where the network plugin wants it. */
  podSubnet?: string;
}

/** Every further machine: `kubeadm join`. */
export interface KubeadmJoin {
  /** `host:port` of the API server, as in {@link KubeadmInit}. */
  controlPlaneEndpoint: string;
  token: string;
  /** Of the cluster's certificate authority: `sha256:` and 64 hexadecimal digits. */
  caCertHashes: string[];
  /** Of {@link KubeadmInit}: the machine becomes a control plane. */
  certificateKey?: string;
}

/** Both hold the token: to be kept as secrets. */
export interface KubeadmTexts {
  /** For `kubeadm init --config` or `kubeadm join --config`. */
  configuration: string;
  /** User-data for cloud-init, which writes the configuration and runs kubeadm with it. */
  cloudConfig: string;
}

const API_VERSION = "kubeadm.k8s.io/v1beta4";
/** In memory: gone with the next start, and the token with it. */
const PATH = "/run/kubeadm.yaml";
/** Long lines stay whole, for people who read the texts. */
const UNFOLDED = { lineWidth: 0 };

/** @throws Error when token, key or endpoint is none */
export function formatInit(node: NodeIdentity, init: KubeadmInit): KubeadmTexts {
  const { controlPlaneEndpoint, token, certificateKey, kubernetesVersion, podSubnet } = init;
  requireBootstrap(init);
  const configuration = [
    {
      apiVersion: API_VERSION,
      kind: "InitConfiguration",
      bootstrapTokens: [{ token }],
      ...(certificateKey === undefined ? {} : { certificateKey }),
      nodeRegistration: toNodeRegistration(node),
    },
    {
      apiVersion: API_VERSION,
      kind: "ClusterConfiguration",
      controlPlaneEndpoint,
      ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }),
      ...(podSubnet === undefined ? {} : { networking: { podSubnet } }),
    },
  ];
  const upload = certificateKey === undefined ? [] : ["--upload-certs"];
  return toTexts(node, configuration, ["kubeadm", "init", "--config", PATH, ...upload]);
}

/** @throws Error when token, key, endpoint or hash is none */
export function formatJoin(node: NodeIdentity, join: KubeadmJoin): KubeadmTexts {
  const { controlPlaneEndpoint, token, caCertHashes, certificateKey } = join;
  requireBootstrap(join);
  if (caCertHashes.length === 0 || !caCertHashes.every((hash) => /^sha256:[0-9a-f]{64}$/i.test(hash)))
    throw new Error(
      `caCertHashes is ${JSON.stringify(caCertHashes)}; give "sha256:" and 64 hexadecimal digits for each certificate authority, as \`kubeadm token create --print-join-command\` shows them.`,
    );
  const configuration = {
    apiVersion: API_VERSION,
    kind: "JoinConfiguration",
    discovery: { bootstrapToken: { apiServerEndpoint: controlPlaneEndpoint, token, caCertHashes } },
    nodeRegistration: toNodeRegistration(node),
    ...(certificateKey === undefined ? {} : { controlPlane: { certificateKey } }),
  };
  return toTexts(node, [configuration], ["kubeadm", "join", "--config", PATH]);
}

function toTexts({ name }: NodeIdentity, documents: object[], command: string[]): KubeadmTexts {
  const configuration = documents.map((document) => stringify(document, UNFOLDED)).join("---\n");
  const cloudConfig = {
    hostname: name,
    write_files: [{ path: PATH, owner: "root:root", permissions: "0600", content: configuration }],
    runcmd: [command],
  };
  return { configuration, cloudConfig: `#cloud-config\n${stringify(cloudConfig, UNFOLDED)}` };
}

/** The values themselves are secrets, and not told. */
function requireBootstrap({ controlPlaneEndpoint, token, certificateKey }: KubeadmInit | KubeadmJoin): void {
  if (!/^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(token))
    throw new Error(
      "token is no bootstrap token of kubeadm: 6 lower-case letters or digits, a dot, 16 more. `kubeadm token generate` makes one.",
    );
  if (certificateKey !== undefined && !/^[0-9a-f]{64}$/i.test(certificateKey))
    throw new Error("certificateKey is none of kubeadm: 64 hexadecimal digits. `kubeadm certs certificate-key` makes one.");
  if (!/^(\[[0-9a-f:.]+\]|[^\s/:[\]]+):\d{1,5}$/i.test(controlPlaneEndpoint))
    throw new Error(`controlPlaneEndpoint is "${controlPlaneEndpoint}"; give host and port, such as api.k8s.example:6443.`);
}
