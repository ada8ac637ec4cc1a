import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { formatInit, formatJoin } from "../../../src/components/kubernetes/kubeadm-texts";
import { toNodeIdentity } from "../../../src/components/kubernetes/node-identity";
import { unknownKubeadmFields } from "./kubeadm-fields";

const NODE = toNodeIdentity({ name: "k8s-worker-1", cluster: "amsterdam", node: "ams-1", vmid: 1007 }, { tier: "web" }, []);
const TOKEN = "abcdef.0123456789abcdef";
const KEY = "0f".repeat(32);
const HASH = `sha256:${"ab".repeat(32)}`;
const ENDPOINT = "api.k8s.example:6443";

const documentsIn = (text: string) =>
  parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Record<string, unknown>;
  });
const REGISTRATION = {
  name: "k8s-worker-1",
  kubeletExtraArgs: [
    { name: "provider-id", value: "proxmox://amsterdam/1007" },
    { name: "node-labels", value: "tier=web,topology.kubernetes.io/region=amsterdam,topology.kubernetes.io/zone=ams-1" },
  ],
};

describe("texts for kubeadm", () => {
  it("make the cluster on its first machine", () => {
    const init = {
      controlPlaneEndpoint: ENDPOINT,
      token: TOKEN,
      certificateKey: KEY,
      kubernetesVersion: "v1.34.1",
      podSubnet: "10.244.0.0/16",
    };
    const { configuration } = formatInit(NODE, init);
    const documents = documentsIn(configuration);
    expect(documents).toEqual([
      {
        apiVersion: "kubeadm.k8s.io/v1beta4",
        kind: "InitConfiguration",
        bootstrapTokens: [{ token: TOKEN }],
        certificateKey: KEY,
        nodeRegistration: REGISTRATION,
      },
      {
        apiVersion: "kubeadm.k8s.io/v1beta4",
        kind: "ClusterConfiguration",
        controlPlaneEndpoint: ENDPOINT,
        kubernetesVersion: "v1.34.1",
        networking: { podSubnet: "10.244.0.0/16" },
      },
    ]);
    expect(documents.flatMap(unknownKubeadmFields)).toEqual([]);
  });

  it.each([
    ["a worker", {}, {}],
    ["a control plane", { certificateKey: KEY }, { controlPlane: { certificateKey: KEY } }],
  ])("join %s", (_case, more, expected) => {
    const { configuration } = formatJoin(NODE, { controlPlaneEndpoint: ENDPOINT, token: TOKEN, caCertHashes: [HASH], ...more });
    const documents = documentsIn(configuration);
    expect(documents).toEqual([
      {
        apiVersion: "kubeadm.k8s.io/v1beta4",
        kind: "JoinConfiguration",
        discovery: { bootstrapToken: { apiServerEndpoint: ENDPOINT, token: TOKEN, caCertHashes: [HASH] } },
        nodeRegistration: REGISTRATION,
        ...expected,
      },
    ]);
    expect(documents.flatMap(unknownKubeadmFields)).toEqual([]);
  });

  it("come as user-data that keeps the token readable for root alone, in memory, and runs kubeadm with it", () => {
    const init = formatInit(NODE, { controlPlaneEndpoint: ENDPOINT, token: TOKEN, certificateKey: KEY });
    const join = formatJoin(NODE, { controlPlaneEndpoint: ENDPOINT, token: TOKEN, caCertHashes: [HASH] });
    for (const [{ configuration, cloudConfig }, command] of [
      [init, ["kubeadm", "init", "--config", "/run/kubeadm.yaml", "--upload-certs"]],
      [join, ["kubeadm", "join", "--config", "/run/kubeadm.yaml"]],
    ] as const) {
      // cloud-init knows user-data of this kind by its first line.
      expect(cloudConfig.split("\n")[0]).toBe("#cloud-config");
      expect(parse(cloudConfig)).toEqual({
        hostname: "k8s-worker-1",
        write_files: [{ path: "/run/kubeadm.yaml", owner: "root:root", permissions: "0600", content: configuration }],
        runcmd: [command],
      });
    }
  });

  it.each([
    ["a token", { token: "secret" }, /token is no bootstrap token of kubeadm/],
    ["a key", { certificateKey: "secret" }, /certificateKey is none of kubeadm/],
    [
      "an endpoint without port",
      { controlPlaneEndpoint: "api.k8s.example" },
      /controlPlaneEndpoint is "api\.k8s\.example"; give host and port/,
    ],
    ["an endpoint with a path", { controlPlaneEndpoint: "https://api.k8s.example:6443" }, /give host and port/],
    ["a hash", { caCertHashes: ["sha256:ab"] }, /caCertHashes is \["sha256:ab"\]/],
    ["hashes", { caCertHashes: [] }, /caCertHashes is \[\]/],
  ])("refuse %s that is none, and tell no secret", (_case, wrong, message) => {
    const attempt = () => formatJoin(NODE, { controlPlaneEndpoint: ENDPOINT, token: TOKEN, caCertHashes: [HASH], ...wrong });
    expect(attempt).toThrow(message);
    expect(attempt).not.toThrow(/secret/);
  });
});
