import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as library from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ControlPlane, startControlPlane } from "../../scripts/kubernetes/control-plane.mjs";
import { findKubernetes } from "../../scripts/setup/index.mjs";
import { createKubernetesClient, type KubernetesApi, toClaim, toPersistentVolume, type VolumeShape } from "../../src/kubernetes";
import { createAccount, PROVIDER_RULES } from "./support/kubernetes-site";

const mark = { federation: "acme", stack: "shop/prod", name: "pv/data", generation: 1 };
const shape: VolumeShape = {
  name: "data",
  handle: { region: "eu-ams", zone: "ams-1", storage: "local-lvm", volname: "vm-1004-disk-0" },
  sizeBytes: 10 * 1024 ** 3,
  storageClassName: "",
  accessMode: "ReadWriteOnce",
  volumeMode: "Filesystem",
  fsType: "ext4",
  mountOptions: [],
  attributes: {},
  mark,
  identityTag: "fed-0123456789abcdef",
};

describe("a real API server", () => {
  let controlPlane: ControlPlane;
  let api: KubernetesApi;
  let token: string;
  let kubeconfig: library.KubeConfig;

  beforeAll(async () => {
    const kubernetes = findKubernetes(join(__dirname, "../.."));
    if (!kubernetes) throw new Error('The Kubernetes control plane is not built. Run "npm run test:kubernetes", which builds it first.');
    controlPlane = await startControlPlane(kubernetes);
    kubeconfig = new library.KubeConfig();
    kubeconfig.loadFromFile(controlPlane.kubeconfig);
    token = await createAccount(kubeconfig, "proxmox-federation", PROVIDER_RULES);
    api = await createKubernetesClient({ kubeconfigContent: controlPlane.kubeconfigOf({ token }) });
  });
  afterAll(async () => {
    await controlPlane?.stop();
  });

  const shapes: [string, Partial<VolumeShape>][] = [
    ["of a zone", {}],
    ["of a region", { handle: { region: "eu-ams", storage: "nas", volname: "1004/vm-1004-disk-0.raw" } }],
    [
      "of some zones",
      { handle: { region: "eu-ams", storage: "nas", volname: "1004/vm-1004-disk-0.qcow2" }, reachableZones: ["ams-1", "ams-2"] },
    ],
    ["that is a raw device", { volumeMode: "Block" }],
    ["for one pod", { accessMode: "ReadWriteOncePod" }],
    ["that is encrypted", { luks: { secretName: "luks", secretNamespace: "kube-system" } }],
    [
      "with every attribute",
      {
        fsType: "xfs",
        mountOptions: ["noatime"],
        attributes: { cache: "none", aio: "native", ssd: true, ioThread: false, diskIops: 1, diskMBps: 2 },
      },
    ],
    ["kept for a claim", { storageClassName: "local", claim: { namespace: "default", name: "data" } }],
  ];

  it.each(shapes)("takes a volume %s and keeps it as it was sent", async (_name, changes) => {
    const volume = toPersistentVolume({ ...shape, ...changes });
    const created = await api.createVolume(volume);
    expect(created.spec).toMatchObject(volume.spec as object);
    expect((await api.listVolumes("proxmox-federation/volume=fed-0123456789abcdef")).map(({ metadata }) => metadata?.name)).toEqual([
      "data",
    ]);
    await api.deleteVolume(created);
    await expect.poll(() => api.findVolume("data"), { timeout: 20_000 }).toBeUndefined();
  });

  it("refuses a field it does not know, instead of dropping it", async () => {
    const volume = toPersistentVolume(shape);
    const misspelt = structuredClone(volume);
    Object.assign(misspelt.spec!.csi!, { volumeAtributes: { storage: "local-lvm" } });
    await expect(api.createVolume(misspelt)).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringContaining('unknown field "spec.csi.volumeAtributes"'),
    });
    expect(await api.findVolume("data")).toBeUndefined();
    await expect(
      api.createClaim(Object.assign({ metadata: { namespace: "default", name: "misspelt" } }, { sepc: {} })),
    ).rejects.toMatchObject({ code: "INVALID", message: expect.stringContaining('unknown field "sepc"') });
    const created = await api.createVolume(volume);
    await expect(api.patchVolume("data", { spec: { persistentVolumeReclaimPolice: "Retain" } })).rejects.toMatchObject({ code: "INVALID" });
    await expect(api.patchVolume("data", { spec: { csi: { volumeHandle: "a/b/c/d" } } })).rejects.toMatchObject({ code: "INVALID" });
    await expect(api.createVolume(volume)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await api.deleteVolume(created);
  });

  it("binds volume and claim that name each other, and deletes neither under the other's name", async () => {
    const claim = { namespace: "default", name: "bound" };
    const volume = await api.createVolume(toPersistentVolume({ ...shape, name: "bound", claim }));
    const made = await api.createClaim(
      toClaim({
        ...claim,
        labels: {},
        sizeBytes: 10 * 1024 ** 3,
        storageClassName: "",
        accessMode: "ReadWriteOnce",
        volumeMode: "Filesystem",
        volumeName: "bound",
        mark,
      }),
    );
    await expect.poll(async () => (await api.findClaim(claim))?.status?.phase, { timeout: 20_000 }).toBe("Bound");
    await expect(api.deleteClaim({ metadata: { ...claim, uid: "00000000-0000-0000-0000-000000000000" } })).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await api.deleteClaim(made);
    await api.deleteVolume(volume);
    await expect.poll(() => api.findVolume("bound"), { timeout: 20_000 }).toBeUndefined();
  });

  it("lets in a token, a client certificate and an exec plugin, and nobody else", async () => {
    const certificate = await createKubernetesClient({ kubeconfig: controlPlane.kubeconfig });
    expect(await certificate.listNodes()).toEqual([]);
    const answer = { apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status: { token } };
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: process.execPath,
      args: ["-e", "process.stdout.write(process.env.ANSWER)"],
      env: [{ name: "ANSWER", value: JSON.stringify(answer) }],
      interactiveMode: "Never",
    };
    const plugin = await createKubernetesClient({ kubeconfigContent: controlPlane.kubeconfigOf({ exec }) });
    expect(await plugin.listVolumes()).toEqual([]);
    const stranger = await createKubernetesClient({ kubeconfigContent: controlPlane.kubeconfigOf({ token: "stranger" }) });
    await expect(stranger.listVolumes()).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    const account = await createAccount(kubeconfig, "without-rights", []);
    const powerless = await createKubernetesClient({ kubeconfigContent: controlPlane.kubeconfigOf({ token: account }) });
    await expect(powerless.listNodes()).rejects.toMatchObject({ code: "FORBIDDEN", message: expect.stringContaining("Grant that verb") });
  });

  it("is not trusted when its certificate is somebody else's", async () => {
    const text = readFileSync(controlPlane.kubeconfig, "utf8")
      .replace(/"certificate-authority-data":"[^"]+",?/, "")
      .replace(",}", "}");
    const client = await createKubernetesClient(
      { kubeconfigContent: text },
      { clock: { nowMs: () => 0, random: () => 0, sleep: async () => undefined } },
    );
    await expect(client.listVolumes()).rejects.toMatchObject({ code: "UNREACHABLE" });
  });
});
