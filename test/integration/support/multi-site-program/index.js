const pulumi = require("@pulumi/pulumi");
const { ResourcePool } = require("proxmox-federation");
const { kubeadmInit, kubeadmJoin, MultiSiteCluster } = require("proxmox-federation/kubernetes");

const config = new pulumi.Config();
const pool = new ResourcePool("kubernetes");
const shape = { cores: 2, memory: "4GiB", disks: [{ size: "2GiB" }], networks: [{ network: "lan" }] };
const machines = new MultiSiteCluster("k8s", {
  pool,
  groups: {
    "control-plane": { ...shape, count: 3 },
    worker: { ...shape, count: 2, spread: "should", labels: { tier: "web" } },
  },
  labelNodes: process.env.LABEL_NODES === "yes",
});

const controlPlaneEndpoint = "api.k8s.example:6443";
const certificateKey = config.requireSecret("certificateKey");
// Not marked as a secret here: the texts are secret whatever they are made of.
const token = process.env.JOIN_TOKEN;
const [first, ...others] = Object.values(machines.nodes);
const join = { controlPlaneEndpoint, token, caCertHashes: [`sha256:${"ab".repeat(32)}`] };

exports.placements = machines.placements;
exports.nodes = Object.fromEntries(Object.entries(machines.nodes).map(([name, { identity }]) => [name, identity]));
exports.talosPatches = Object.values(machines.nodes).map(({ talosPatch }) => talosPatch);
exports.texts = [
  kubeadmInit(first, { controlPlaneEndpoint, token, certificateKey }),
  ...others.map((node) => kubeadmJoin(node, node.group === "worker" ? join : { ...join, certificateKey })),
];
