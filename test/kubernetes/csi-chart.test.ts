/**
 * The CSI plugin's own Helm chart, rendered with the values of ProxmoxCsi and installed on a real control plane. The chart
 * is not part of this repository: name its directory or archive in PROXMOX_CSI_CHART. Helm is looked for on PATH.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import * as library from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parse, parseAllDocuments, stringify } from "yaml";
import { type ControlPlane, startControlPlane } from "../../scripts/kubernetes/control-plane.mjs";
import { findKubernetes } from "../../scripts/setup/index.mjs";
import { ProxmoxCsi } from "../../src/components/kubernetes";
import { CSI_DRIVER } from "../../src/kubernetes";
import { runProgram } from "../components/kubernetes/registered";
import { objectsOf } from "./support/declared-objects";
import { createStrictly } from "./support/strict-api";

const REPOSITORY = join(__dirname, "../..");
const CONFIG = { "proxmox-federation:file": join(REPOSITORY, "examples/zoned-storage/federation.yaml") };
const patience = { timeout: 60_000, interval: 200 };

const chart = process.env.PROXMOX_CSI_CHART;
const missing = chart === undefined ? "the variable PROXMOX_CSI_CHART names no chart" : hasHelm() ? undefined : "there is no helm on PATH";
if (missing) console.warn(`left out: ${missing}, so the CSI plugin's chart is not installed in a test`);

interface Release {
  name: string;
  chart: string;
  version: string;
  namespace: string;
  values: Record<string, unknown>;
}

describe.skipIf(missing !== undefined)("the CSI plugin's chart with the values of ProxmoxCsi", () => {
  let controlPlane: ControlPlane;
  let kubeconfig: library.KubeConfig;
  let directory: string;
  let ours: library.KubernetesObject[];
  let release: Release;
  let rendered: library.KubernetesObject[];

  beforeAll(async () => {
    const kubernetes = findKubernetes(REPOSITORY);
    if (!kubernetes) throw new Error('The Kubernetes control plane is not built. Run "npm run test:kubernetes", which builds it first.');
    vi.stubEnv("AMSTERDAM_TOKEN", "secret-of-amsterdam");
    vi.stubEnv("FRANKFURT_TOKEN", "secret-of-frankfurt");
    directory = await mkdtemp(join(tmpdir(), "proxmox-federation-"));
    const program = await runProgram(CONFIG, () => new ProxmoxCsi("csi"));
    ours = objectsOf(program);
    release = program.ofType(":Release")[0]!.inputs as unknown as Release;
    rendered = await render(release);
    controlPlane = await startControlPlane(kubernetes);
    kubeconfig = new library.KubeConfig();
    kubeconfig.loadFromFile(controlPlane.kubeconfig);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await controlPlane?.stop();
    if (directory) await rm(directory, { recursive: true });
  });

  const helm = async (...args: string[]) => (await promisify(execFile)("helm", args, { maxBuffer: 2 ** 24 })).stdout;
  const render = async ({ name, namespace, values }: Release) => {
    const file = join(directory, "values.yaml");
    await writeFile(file, stringify(values));
    const text = await helm("template", name, chart!, "--namespace", namespace, "--values", file, "--kube-version", "1.34.1");
    return parseAllDocuments(text).flatMap((document) => (document.contents ? [document.toJS() as library.KubernetesObject] : []));
  };
  const find = <T>(kind: string) => {
    const found = rendered.filter((object) => object.kind === kind);
    expect(found, kind).toHaveLength(1);
    return found[0] as T;
  };

  it("is the version that the component names, and knows every value that it sets", async () => {
    const { name, version } = parse(await helm("show", "chart", chart!)) as { name: string; version: string };
    expect([name, version]).toEqual([release.chart.split("/").at(-1), release.version]);
    expect(unknownPaths(release.values, parse(await helm("show", "values", chart!)))).toEqual([]);
  });

  it("reads the component's Secret, makes none of its own, and has the provisioner pass on the pod's zone", () => {
    const { spec } = find<library.V1Deployment>("Deployment");
    const { containers, volumes } = spec!.template.spec!;
    const secret = ours.find(({ kind }) => kind === "Secret") as library.V1Secret;
    const [key] = Object.keys(secret.stringData!);
    const volume = volumes!.find((candidate) => candidate.secret?.secretName === secret.metadata!.name)!;
    const plugin = containers.find(({ name }) => name.endsWith("-controller"))!;
    const mount = plugin.volumeMounts!.find(({ name }) => name === volume.name)!;
    const item = volume.secret!.items!.find((candidate) => candidate.key === key)!;
    expect(plugin.args).toContain(`--cloud-config=${join(mount.mountPath, item.path)}`);
    expect(rendered.map(({ kind }) => kind)).not.toContain("Secret");
    const provisioner = containers.find(({ name }) => name === "csi-provisioner")!;
    expect(provisioner.args).toEqual(expect.arrayContaining(["--default-fstype=ext4", "--strict-topology"]));
  });

  it("provides the driver that the component's StorageClasses name, and leaves StorageClasses to it", () => {
    expect(find<library.V1CSIDriver>("CSIDriver").metadata?.name).toBe(CSI_DRIVER);
    expect(rendered.map(({ kind }) => kind)).not.toContain("StorageClass");
    const classes = ours.filter(({ kind }) => kind === "StorageClass") as library.V1StorageClass[];
    expect(new Set(classes.map(({ provisioner }) => provisioner))).toEqual(new Set([CSI_DRIVER]));
  });

  it("is taken by the API server beside the component's objects, and its pods are let into the namespace", async () => {
    const core = kubeconfig.makeApiClient(library.CoreV1Api);
    for (const name of ["worker-1", "worker-2"]) await createReadyNode(core, name);
    const inOrder = [...ours, ...rendered].sort((a, b) => rankOf(a) - rankOf(b));
    for (const object of inOrder) {
      const { status, text } = await createStrictly(controlPlane, object);
      expect(status, `${object.kind} ${object.metadata?.name}: ${text}`).toBe(201);
    }
    const places = async () => {
      const { items } = await core.listNamespacedPod({ namespace: release.namespace });
      return items.map(({ metadata, spec }) => [metadata!.ownerReferences![0]!.kind, spec!.nodeName]).sort();
    };
    await expect.poll(places, patience).toEqual([
      ["DaemonSet", "worker-1"],
      ["DaemonSet", "worker-2"],
      ["ReplicaSet", expect.stringMatching(/^worker-[12]$/)],
    ]);
  });
});

/** A namespace comes before what is in it. */
function rankOf({ kind }: library.KubernetesObject): number {
  return kind === "Namespace" ? 0 : 1;
}

async function createReadyNode(core: library.CoreV1Api, name: string): Promise<void> {
  await core.createNode({ body: { metadata: { name, labels: { "kubernetes.io/hostname": name } } } });
  const resources = { cpu: "8", memory: "16Gi", pods: "110" };
  const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady", message: "ready" }];
  const status = { capacity: resources, allocatable: resources, conditions };
  const merge = library.setHeaderOptions("Content-Type", library.PatchStrategy.MergePatch);
  await core.patchNodeStatus({ name, body: { status } }, merge);
}

/** Paths of what is set and has no default in the chart: a value of another name would be without effect. */
function unknownPaths(set: unknown, defaults: unknown, path = ""): string[] {
  if (typeof set !== "object" || set === null || Array.isArray(set)) return [];
  return Object.entries(set).flatMap(([key, value]) => {
    const at = path === "" ? key : `${path}.${key}`;
    const known = typeof defaults === "object" && defaults !== null && key in defaults;
    return known ? unknownPaths(value, (defaults as Record<string, unknown>)[key], at) : [at];
  });
}

function hasHelm(): boolean {
  try {
    execFileSync("helm", ["version", "--short"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
