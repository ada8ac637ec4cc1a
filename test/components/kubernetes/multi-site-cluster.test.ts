import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type ClusterNode, MultiSiteCluster, type MultiSiteClusterArgs } from "../../../src/components/kubernetes";
import { runProgram } from "./registered";

const FILE = join(__dirname, "../../../examples/zoned-storage/federation.yaml");
const SHAPE = { cores: 4, memory: "8GiB", disks: [{ size: "32GiB" }] };

function toldOf({ identity, nodeRegistration, talosPatch }: ClusterNode) {
  return pulumi
    .all([identity, nodeRegistration, talosPatch])
    .apply(([identity, nodeRegistration, talosPatch]) => ({ identity, nodeRegistration, talosPatch }));
}

describe("MultiSiteCluster", () => {
  const declare = (args: Partial<MultiSiteClusterArgs> = {}) =>
    runProgram({ "proxmox-federation:file": FILE }, () => {
      const groups = { "control-plane": { ...SHAPE, count: 3 }, worker: { ...SHAPE, count: 2, labels: { tier: "web" } } };
      const cluster = new MultiSiteCluster("k8s", { pool: "kubernetes", groups, ...args });
      return settle(pulumi.all(Object.values(cluster.nodes).map(toldOf)));
    });
  const settle = <T>(output: pulumi.Output<T>) => new Promise<T>((resolve) => output.apply(resolve));

  it("places all VMs together and spreads every group over clusters and nodes", async () => {
    const { ofType } = await declare();
    const vms = ofType(":FederatedVM");
    expect(vms.map(({ name }) => name).sort()).toEqual([
      "k8s-control-plane-1",
      "k8s-control-plane-2",
      "k8s-control-plane-3",
      "k8s-worker-1",
      "k8s-worker-2",
    ]);
    expect(new Set(vms.map(({ inputs }) => inputs.__together)).size).toBe(1);
    expect(vms.find(({ name }) => name === "k8s-worker-1")?.inputs).toMatchObject({
      pool: "kubernetes",
      tags: ["k8s-worker"],
      rules: [
        { type: "spread", target: "tag", operator: "must", value: "k8s-worker", scope: "cluster" },
        { type: "anti-affinity", target: "tag", operator: "should", value: "k8s-worker", scope: "node" },
      ],
    });
  });

  it("tells every VM what the CSI plugin and the cloud controller look for, for kubeadm and Talos", async () => {
    const { result, registered } = await declare();
    const nodes = result;
    expect(registered.some(({ type }) => type.endsWith(":NodePatch"))).toBe(false);
    const worker = nodes.find(({ identity }) => identity.name === "k8s-worker-1")!;
    const { region, zone, providerId, labels } = worker.identity;
    expect(zone).toBe("n-k8s-worker-1");
    expect(["eu-ams", "eu-fra"]).toContain(region);
    expect(providerId).toMatch(new RegExp(`^proxmox://${region}/1\\d{3}$`));
    expect(labels).toEqual({ tier: "web", "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone });
    expect(worker.nodeRegistration).toEqual({
      name: "k8s-worker-1",
      kubeletExtraArgs: [
        { name: "provider-id", value: providerId },
        { name: "node-labels", value: `tier=web,topology.kubernetes.io/region=${region},topology.kubernetes.io/zone=${zone}` },
      ],
    });
    expect(parse(worker.talosPatch)).toEqual({
      machine: { network: { hostname: "k8s-worker-1" }, nodeLabels: labels, kubelet: { extraArgs: { "provider-id": providerId } } },
    });
  });

  it("labels the Kubernetes nodes on request", async () => {
    const { ofType } = await declare({ labelNodes: true });
    const patches = ofType(":NodePatch");
    expect(patches).toHaveLength(5);
    expect(patches.find(({ name }) => name === "k8s-worker-2")?.inputs).toMatchObject({
      metadata: { name: "k8s-worker-2", labels: { tier: "web", "topology.kubernetes.io/zone": "n-k8s-worker-2" } },
      spec: { providerID: expect.stringMatching(/^proxmox:\/\/eu-(ams|fra)\/\d+$/) },
    });
  });

  it("leaves labels that no kubelet may set to Pulumi", async () => {
    const labels = { "node-role.kubernetes.io/worker": "", "node.kubernetes.io/class": "big", "example.com/rack": "7" };
    const groups = { worker: { ...SHAPE, count: 1, labels } };
    await expect(declare({ groups })).rejects.toThrow(/no kubelet may give its node the label node-role\.kubernetes\.io\/worker/);
    const { result, ofType } = await declare({ groups, labelNodes: true });
    const { nodeRegistration, talosPatch } = result[0]!;
    const told = nodeRegistration.kubeletExtraArgs.find(({ name }) => name === "node-labels")!.value;
    const { machine } = parse(talosPatch) as { machine: { nodeLabels: Record<string, string> } };
    for (const names of [told.split(",").map((text) => text.split("=")[0]), Object.keys(machine.nodeLabels)])
      expect(names.sort()).toEqual([
        "example.com/rack",
        "node.kubernetes.io/class",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
      ]);
    expect(ofType(":NodePatch")[0]?.inputs).toMatchObject({ metadata: { labels } });
  });

  it.each([
    ["a count that is none", { worker: { ...SHAPE, count: -1 } }, /groups\.worker\.count is -1/],
    ["a name that no node can have", { Worker: { ...SHAPE, count: 1 } }, /would be called k8s-Worker-1, which Kubernetes refuses/],
    ["a name longer than a label", { ["w".repeat(58)]: { ...SHAPE, count: 10 } }, /at most 63 lower-case letters/],
  ])("refuses %s", async (_case, groups, message) => {
    await expect(declare({ groups })).rejects.toThrow(message);
  });
});
