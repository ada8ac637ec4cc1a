/** A ZonedStatefulSet without `zones` in the real engine: all its volumes are placed as one, and more replicas move nothing. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setClusterStatus } from "../../src/cli/simulated-config";
import { createStack, type EngineStep, type PulumiStack } from "../support/engine";
import { KubernetesSite, WORKERS } from "./support/kubernetes-site";
import { findLitter, listClaims } from "./support/site-view";

describe("a ZonedStatefulSet whose zones are left to placement", () => {
  let site: KubernetesSite;
  let stack: PulumiStack;

  beforeAll(async () => {
    site = await KubernetesSite.start();
    stack = await createStack(join(__dirname, "support/components-program"), {
      env: { ...site.federation.env, KUBECONFIG: site.controlPlane.kubeconfig },
      config: { "proxmox-federation:file": site.federation.file },
    });
  });
  afterAll(async () => {
    stack?.dispose();
    await site?.stop();
  });

  const replicas = (count: number) => ({ env: { REPLICAS: String(count) } });
  const placesIn = (steps: EngineStep[]) =>
    Object.fromEntries(
      steps.flatMap(({ name, inputs }) => {
        const at = inputs?.placement as { region: string; zone: string } | undefined;
        return at ? [[name, `${at.region}/${at.zone}`]] : [];
      }),
    );
  const claims = async () => Object.fromEntries(Object.entries(await listClaims(site)).map(([name, { place }]) => [name, place]));
  /** Each pod with the zone of the worker it runs on. */
  const pods = async () => {
    const { items } = await site.core.listNamespacedPod({ namespace: "default" });
    return Object.fromEntries(
      items.map(({ metadata, spec, status }) => {
        const worker = WORKERS.find(({ name }) => name === spec!.nodeName);
        return [`data-${metadata!.name}`, status?.phase === "Running" ? `${worker?.region}/${worker?.zone}` : status?.phase];
      }),
    );
  };

  it("shows in the preview where every replica goes: each in a zone of its own that has a worker", async () => {
    const preview = await stack.preview(replicas(3));
    const planned = placesIn(preview.steps);
    expect(Object.keys(planned)).toEqual(["data-db-0", "data-db-1", "data-db-2"]);
    expect(Object.values(planned).sort()).toEqual(["eu-ams/ams-1", "eu-ams/ams-2", "eu-fra/fra-1"]);
    await stack.up(replicas(3));
    expect(await claims()).toEqual(planned);
    expect(await pods()).toEqual(planned);
    const again = await stack.up({ ...replicas(3), args: ["--expect-no-changes"] });
    expect(new Set(again.steps.map(({ operation }) => operation))).toEqual(new Set(["same"]));
  });

  it("gets a fourth replica without moving the first three", async () => {
    const before = await listClaims(site);
    const { steps } = await stack.up(replicas(4));
    const touched = steps.filter(({ operation, type }) => operation !== "same" && type.endsWith(":ZonedPersistentVolume"));
    expect(touched.map(({ name, operation }) => [name, operation])).toEqual([["data-db-3", "create"]]);
    const after = await listClaims(site);
    expect(Object.keys(after)).toEqual([...Object.keys(before), "data-db-3"]);
    expect(after).toMatchObject(before);
    expect(await pods()).toEqual(await claims());
    await stack.preview({ ...replicas(4), args: ["--expect-no-changes"] });
  });

  it("leaves a drained site with the data of its replicas, once that is allowed, and nothing else moves", async () => {
    const before = await listClaims(site);
    const leaving = Object.keys(before).filter((name) => before[name]!.place === "eu-fra/fra-1");
    expect(leaving).not.toEqual([]);
    await site.federation.edit((text) => setClusterStatus(text, "frankfurt", "draining"));
    await expect(stack.up(replicas(4))).rejects.toThrow(/must leave eu-fra\/fra-1 for eu-ams\/ams-\d .*Set allowMove: true/);
    expect(await listClaims(site)).toEqual(before);

    const allowed = { env: { ...replicas(4).env, ALLOW_MOVE: "yes" } };
    const preview = await stack.preview(allowed);
    const replaced = preview.steps.filter(({ operation }) => operation === "create-replacement");
    expect(replaced.map(({ name }) => name)).toEqual(leaving);
    await stack.up(allowed);
    const after = await listClaims(site);
    for (const [name, { place, sha256 }] of Object.entries(after)) {
      expect(sha256).toBe(before[name]!.sha256);
      if (leaving.includes(name)) expect(place).toMatch(/^eu-ams\/ams-[12]$/);
      else expect(place).toBe(before[name]!.place);
    }
    expect(site.standIn.formatted).toHaveLength(4);
    await expect.poll(pods, { timeout: 60_000, interval: 300 }).toEqual(await claims());
    expect(await findLitter(site)).toEqual([]);
    await stack.preview({ ...allowed, args: ["--expect-no-changes"] });
  });

  it("leaves nothing behind", async () => {
    await stack.destroy(replicas(4));
    expect(await listClaims(site)).toEqual({});
    expect((await site.core.listPersistentVolume()).items).toEqual([]);
    expect(await site.disks()).toEqual([]);
    expect(await findLitter(site)).toEqual([]);
  });
});
