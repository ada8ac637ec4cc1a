/** The Kubernetes components in the real engine: `pulumi up`, nothing to do afterwards, a move, `pulumi destroy`. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStack, type PulumiStack } from "../support/engine";
import { KubernetesSite } from "./support/kubernetes-site";
import { findLitter, listClaims } from "./support/site-view";

const patience = { timeout: 120_000, interval: 300 };

describe("ProxmoxCsi and ZonedStatefulSet in one program", () => {
  let site: KubernetesSite;
  let stack: PulumiStack;

  beforeAll(async () => {
    site = await KubernetesSite.start();
    const env = { ...site.federation.env, KUBECONFIG: site.controlPlane.kubeconfig, ZONES: "eu-ams/ams-1,eu-fra/fra-1" };
    stack = await createStack(join(__dirname, "support/components-program"), {
      env,
      config: { "proxmox-federation:file": site.federation.file },
    });
  });
  afterAll(async () => {
    stack?.dispose();
    await site?.stop();
  });

  const pods = async () => {
    const { items } = await site.core.listNamespacedPod({ namespace: "default" });
    const running = items.filter(({ status }) => status?.phase === "Running");
    return Object.fromEntries(running.map(({ metadata, spec }) => [metadata!.name!, spec!.nodeName!]));
  };
  const outputs = async () => JSON.parse((await stack.run(["stack", "output", "--json"])).stdout) as Record<string, unknown>;

  it("are made in one run, after which there is nothing to do", async () => {
    const made = await stack.up();
    expect(made.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(await pods()).toEqual({ "db-0": expect.stringMatching(/^worker-[12]$/), "db-1": "worker-4" });
    const { secretName, storageClasses, handles } = await outputs();
    expect(storageClasses).toEqual(["proxmox-fast"]);
    expect(handles).toEqual([expect.stringMatching(/^eu-ams\/ams-1\//), expect.stringMatching(/^eu-fra\/fra-1\//)]);
    const secret = await site.core.readNamespacedSecret({ namespace: "csi-proxmox", name: String(secretName) });
    const config = Buffer.from(secret.data!["config.yaml"]!, "base64").toString();
    expect(config).toMatch(/region: "?eu-ams/);
    const storageClass = await site.storage.readStorageClass({ name: "proxmox-fast" });
    expect(storageClass).toMatchObject({ reclaimPolicy: "Retain", volumeBindingMode: "WaitForFirstConsumer", allowVolumeExpansion: true });

    const again = await stack.up({ args: ["--expect-no-changes"] });
    expect(new Set(again.steps.map(({ operation }) => operation))).toEqual(new Set(["same"]));
  });

  it("keep the credentials of the clusters out of the state", async () => {
    const state = JSON.stringify(await stack.export());
    for (const [name, value] of Object.entries(site.federation.env)) if (name.endsWith("_TOKEN")) expect(state, name).not.toContain(value);
  });

  it("move the data and the pods with it when the zones change", async () => {
    const moving = { env: { ZONES: "eu-ams/ams-2,eu-ams/ams-1" } };
    await expect(stack.up(moving)).rejects.toThrow(/must leave eu-ams\/ams-1 for eu-ams\/ams-2/);
    const before = await listClaims(site);
    const allowed = { env: { ...moving.env, ALLOW_MOVE: "yes" } };
    await stack.up(allowed);
    await expect.poll(pods, patience).toEqual({ "db-0": "worker-3", "db-1": expect.stringMatching(/^worker-[12]$/) });
    const after = await listClaims(site);
    const contents = (claims: typeof after) => Object.entries(claims).map(([name, { sha256 }]) => [name, sha256]);
    expect(contents(after)).toEqual(contents(before));
    expect(site.standIn.formatted).toHaveLength(2);
    expect(await findLitter(site)).toEqual([]);
    await stack.preview({ ...allowed, args: ["--expect-no-changes"] });
  });

  it("leave nothing behind", async () => {
    await stack.destroy();
    expect(await listClaims(site)).toEqual({});
    expect((await site.core.listPersistentVolume()).items).toEqual([]);
    expect(await site.disks()).toEqual([]);
    expect((await site.storage.listStorageClass()).items).toEqual([]);
    await expect(site.core.readNamespace({ name: "csi-proxmox" })).rejects.toMatchObject({ code: 404 });
  });
});
