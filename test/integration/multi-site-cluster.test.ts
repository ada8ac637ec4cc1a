/** The machines of a Kubernetes cluster over two sites, on the real engine: `up`, nothing to do, a site drained, `destroy`. */
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { NodeIdentity } from "../../src/components/kubernetes";
import { unknownKubeadmFields } from "../components/kubernetes/kubeadm-fields";
import { createStack, type PulumiStack } from "../support/engine";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { REPOSITORY } from "./support/example-stack";
import { checksumsByDrive, findLeftovers, getGuest, listAddresses, listPools } from "./support/federation-view";

const NODES = ["k8s-control-plane-1", "k8s-control-plane-2", "k8s-control-plane-3", "k8s-worker-1", "k8s-worker-2"];
const REGIONS: Record<string, string> = { amsterdam: "eu-ams", frankfurt: "eu-fra" };
const TOKEN = "abcdef.0123456789abcdef";
const CERTIFICATE_KEY = "0f".repeat(32);

interface Outputs {
  placements: Record<string, string>;
  nodes: Record<string, NodeIdentity>;
  talosPatches: string[];
  texts: { configuration: string; cloudConfig: string }[];
}

describe("a MultiSiteCluster on the real engine", () => {
  let federation: SimulatedFederation;
  let stack: PulumiStack;

  beforeAll(async () => {
    const text = await readFile(join(REPOSITORY, "examples/zoned-storage/federation.yaml"), "utf8");
    federation = await startSimulatedFederation({ text });
    stack = await createStack(join(__dirname, "support/multi-site-program"), {
      env: { ...federation.env, JOIN_TOKEN: TOKEN },
      config: { "proxmox-federation:file": federation.file },
      secrets: { certificateKey: CERTIFICATE_KEY },
    });
  });
  afterAll(async () => {
    stack?.dispose();
    await federation?.stop();
  });

  const world = () => federation.simulator.world;
  const outputs = async () => JSON.parse((await stack.run(["stack", "output", "--json", "--show-secrets"])).stdout) as Outputs;
  const clustersOf = (group: string) =>
    listAddresses(world())
      .filter((address) => address.startsWith(`k8s-${group}`))
      .map((address) => address.split("@")[1]!)
      .sort();

  it("spreads every group over the sites, as the preview said, and then has nothing to do", async () => {
    const plan = join(stack.stateDir, "plan.json");
    const preview = await stack.preview({ args: ["--save-plan", plan] });
    const planned = preview.steps.flatMap(({ name, inputs }) => {
      const placement = inputs?.placement as { cluster: string; node: string } | undefined;
      return placement ? [`${name}@${placement.cluster}`] : [];
    });
    expect(planned.sort()).toHaveLength(NODES.length);
    await stack.up({ args: ["--plan", plan] });
    expect(listAddresses(world())).toEqual(planned);
    expect(new Set(clustersOf("control-plane"))).toEqual(new Set(["amsterdam", "frankfurt"]));
    expect(clustersOf("worker")).toEqual(["amsterdam", "frankfurt"]);
    const again = await stack.up({ args: ["--expect-no-changes"] });
    expect(new Set(again.steps.map(({ operation }) => operation))).toEqual(new Set(["same"]));
  });

  it("tells every machine where it is, as the CSI plugin and the Proxmox cloud controller manager read it", async () => {
    const { nodes, placements } = await outputs();
    expect(Object.keys(nodes).sort()).toEqual(NODES);
    for (const [name, { providerId, labels }] of Object.entries(nodes)) {
      const guest = getGuest(world(), name);
      expect(parseProviderId(providerId)).toEqual({ region: REGIONS[guest.cluster], vmid: guest.vmid });
      expect(topologyOf(labels)).toEqual({ region: REGIONS[guest.cluster], zone: guest.node });
      expect(placements[name]).toBe(`${guest.cluster}/${guest.node}`);
      expect(labels.tier).toBe(name.startsWith("k8s-worker") ? "web" : undefined);
    }
  });

  it("gives every machine a cloud-init and a kubeadm configuration, and Talos a patch, of the same identity", async () => {
    const { nodes, texts, talosPatches } = await outputs();
    const kinds = texts.map(({ configuration, cloudConfig }, index) => {
      const name = NODES[index]!;
      const { providerId, labels } = nodes[name]!;
      const documents = parseAllDocuments(configuration, { strict: true, uniqueKeys: true }).map((document) => {
        expect(document.errors).toEqual([]);
        return document.toJS() as Record<string, unknown>;
      });
      expect(documents.flatMap(unknownKubeadmFields)).toEqual([]);
      const arguments_ = (documents[0]!.nodeRegistration as { kubeletExtraArgs: { name: string; value: string }[] }).kubeletExtraArgs;
      expect(arguments_).toContainEqual({ name: "provider-id", value: providerId });
      expect(cloudConfig.startsWith("#cloud-config\n")).toBe(true);
      expect(parse(cloudConfig)).toMatchObject({ hostname: name, write_files: [{ content: configuration, permissions: "0600" }] });
      expect(parse(talosPatches[index]!)).toMatchObject({ machine: { network: { hostname: name }, nodeLabels: labels } });
      return documents.map(({ kind, controlPlane }) => (controlPlane ? `${kind} of a control plane` : kind));
    });
    expect(kinds).toEqual([
      ["InitConfiguration", "ClusterConfiguration"],
      ["JoinConfiguration of a control plane"],
      ["JoinConfiguration of a control plane"],
      ["JoinConfiguration"],
      ["JoinConfiguration"],
    ]);
  });

  it("keeps token and key out of everything that is stored, although the program did not mark the token", async () => {
    const secrets = [
      TOKEN,
      CERTIFICATE_KEY,
      ...Object.entries(federation.env).flatMap(([name, value]) => (name.endsWith("_TOKEN") ? [value] : [])),
    ];
    expect(secrets).toHaveLength(4);
    const files = listFiles(stack.stateDir);
    expect(files.some((file) => readFileSync(file, "utf8").includes("proxmox://eu-ams/"))).toBe(true);
    const told = files.filter((file) => secrets.some((secret) => readFileSync(file, "utf8").includes(secret)));
    expect(told).toEqual([]);
  });

  it("says in the preview what a drained site's machines do, and moves them with their data", async () => {
    const leaving = listAddresses(world()).flatMap((address) => (address.endsWith("@frankfurt") ? [address.split("@")[0]!] : []));
    for (const name of leaving)
      await federation.admin("POST", `/guests/frankfurt/${getGuest(world(), name).vmid}/write`, { disk: "scsi0", blocks: 5, seed: name });
    const before = checksumsByDrive(world());
    await federation.edit((text) => setClusterStatus(text, "frankfurt", "draining"));
    const preview = await stack.preview({ args: ["--diff"] });
    const moving = preview.steps.filter(({ operation }) => operation === "create-replacement" || operation === "replace");
    expect([...new Set(moving.map(({ name }) => name))].sort()).toEqual(leaving);
    expect(preview.stdout).toMatch(/from\s*: "frankfurt\//);
    await stack.up();
    expect(listAddresses(world()).filter((address) => address.endsWith("@frankfurt"))).toEqual([]);
    expect(checksumsByDrive(world())).toEqual(before);
    expect(findLeftovers(world())).toEqual([]);
    for (const [name, { providerId }] of Object.entries((await outputs()).nodes))
      expect(parseProviderId(providerId)).toEqual({ region: "eu-ams", vmid: getGuest(world(), name).vmid });
    await stack.preview({ args: ["--expect-no-changes"] });
  });

  it("leaves nothing behind", async () => {
    await stack.destroy();
    expect([listAddresses(world()), findLeftovers(world()), listPools(world())]).toEqual([[], [], []]);
  });
});

/** The expression of the CSI plugin and of the cloud controller manager, which then read the second part as a number. */
function parseProviderId(text: string): { region: string; vmid: number } {
  const match = /^proxmox:\/\/([^/]*)\/([^/]+)$/.exec(text);
  if (!match || !/^\d+$/.test(match[2]!)) throw new Error(`the plugin does not read the provider id ${text}`);
  return { region: match[1]!, vmid: Number(match[2]) };
}

/** As the node part of the plugin: labels of its own first, then those of Kubernetes; without both it does not start. */
function topologyOf(labels: Record<string, string>): { region?: string; zone?: string } {
  return {
    region: labels["topology.proxmox.sinextra.dev/region"] ?? labels["topology.kubernetes.io/region"],
    zone: labels["topology.proxmox.sinextra.dev/node"] ?? labels["topology.kubernetes.io/zone"],
  };
}

function listFiles(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
