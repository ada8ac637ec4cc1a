/** What the components register is what the API server takes: every object sent to a real one, strictly validated. */
import { join } from "node:path";
import * as library from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type ControlPlane, startControlPlane } from "../../scripts/kubernetes/control-plane.mjs";
import { findKubernetes } from "../../scripts/setup/index.mjs";
import { MultiSiteCluster, ProxmoxCsi, type StorageClassArgs, ZonedStatefulSet } from "../../src/components/kubernetes";
import { runProgram } from "../components/kubernetes/registered";
import { objectsOf } from "./support/declared-objects";
import { createStrictly } from "./support/strict-api";

const REPOSITORY = join(__dirname, "../..");
const CONFIG = { "proxmox-federation:file": join(REPOSITORY, "examples/zoned-storage/federation.yaml") };
const ZONES = [
  { region: "eu-ams", zone: "ams-1" },
  { region: "eu-fra", zone: "fra-1" },
];

describe("objects of the Kubernetes components", () => {
  let controlPlane: ControlPlane;
  let objects: library.KubernetesObjectApi;
  let core: library.CoreV1Api;

  beforeAll(async () => {
    const kubernetes = findKubernetes(REPOSITORY);
    if (!kubernetes) throw new Error('The Kubernetes control plane is not built. Run "npm run test:kubernetes", which builds it first.');
    controlPlane = await startControlPlane(kubernetes);
    const kubeconfig = new library.KubeConfig();
    kubeconfig.loadFromFile(controlPlane.kubeconfig);
    objects = library.KubernetesObjectApi.makeApiClient(kubeconfig);
    core = kubeconfig.makeApiClient(library.CoreV1Api);
    vi.stubEnv("AMSTERDAM_TOKEN", "secret-of-amsterdam");
    vi.stubEnv("FRANKFURT_TOKEN", "secret-of-frankfurt");
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await controlPlane?.stop();
  });

  const dryRun = (object: library.KubernetesObject) => createStrictly(controlPlane, object, true);

  it("takes namespace, secret and StorageClasses of the CSI plugin", async () => {
    const storageClasses: Record<string, StorageClassArgs> = {
      db: { storageClass: "fast", cache: "none", ssd: true, mountOptions: ["noatime"], zones: { amsterdam: ["ams-1"] }, default: true },
      common: { storageClass: "common" },
    };
    const program = await runProgram(CONFIG, () => new ProxmoxCsi("csi", { storageClasses }));
    const declared = objectsOf(program);
    expect(declared.map(({ kind }) => kind).sort()).toEqual(["Namespace", "Secret", "StorageClass", "StorageClass"]);
    // What is in a namespace can only be tried where the namespace is.
    await core.createNamespace({ body: { metadata: { name: "csi-proxmox" } } });
    for (const object of declared) {
      if (object.kind === "Namespace") object.metadata!.name = "csi-proxmox-2";
      expect(await dryRun(object), object.kind).toMatchObject({ status: 201 });
    }
  });

  it("takes the StatefulSet, and would refuse a misspelt field of it", async () => {
    const container = { name: "main", image: "none.invalid/none", volumeMounts: [{ name: "data", mountPath: "/data" }] };
    const program = await runProgram(
      {},
      () =>
        new ZonedStatefulSet("db", {
          replicas: 3,
          zones: ZONES,
          volumes: { data: { size: "8GiB", storageClass: "fast" } },
          template: { spec: { containers: [container] } },
        }),
    );
    const [set, ...others] = objectsOf(program);
    expect([set?.kind, others]).toEqual(["StatefulSet", []]);
    set!.metadata!.namespace = "default";
    expect(await dryRun(set!)).toMatchObject({ status: 201 });
    const misspelt = { ...set!, spec: { ...(set as library.V1StatefulSet).spec, replica: 3 } };
    expect(await dryRun(misspelt)).toMatchObject({ status: 400, text: expect.stringContaining('unknown field \\"spec.replica\\"') });
  });

  it("takes labels and provider id on nodes that have joined", async () => {
    const shape = { cores: 2, memory: "4GiB", disks: [{ size: "16GiB" }] };
    const program = await runProgram(
      CONFIG,
      () => new MultiSiteCluster("k8s", { pool: "kubernetes", groups: { worker: { ...shape, count: 2 } }, labelNodes: true }),
    );
    const patches = program.ofType(":NodePatch");
    expect(patches).toHaveLength(2);
    for (const { inputs } of patches) {
      const { metadata, spec } = inputs as { metadata: library.V1ObjectMeta; spec: library.V1NodeSpec };
      await core.createNode({ body: { metadata: { name: metadata.name } } });
      const body = { apiVersion: "v1", kind: "Node", metadata, spec };
      const patched = await objects.patch(body, undefined, undefined, "test", true, library.PatchStrategy.ServerSideApply);
      expect(patched).toMatchObject({ metadata: { labels: metadata.labels }, spec: { providerID: spec.providerID } });
    }
  });
});
