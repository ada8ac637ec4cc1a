/** `federate volumes move` of a volume that the CSI plugin has made, under a StatefulSet that uses it. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { federate } from "../cli/run";
import { KubernetesSite, statefulSet } from "./support/kubernetes-site";
import { addPluginVolume, PLUGIN_VOLUME } from "./support/plugin-volume";

const patience = { timeout: 60_000, interval: 200 };
const { name, volumeHandle, claim } = PLUGIN_VOLUME;

describe("moving a volume of the plugin", () => {
  let site: KubernetesSite;
  const move = (...argv: string[]) =>
    federate(["volumes", "move", ...argv, "--pool", "kubernetes", "--kubeconfig", site.controlPlane.kubeconfig], {
      ...process.env,
      ...site.federation.env,
    });
  const podNode = async () => {
    const pod = await site.core.readNamespacedPod({ namespace: "default", name: "db-0" }).catch(() => undefined);
    return pod?.status?.phase === "Running" ? pod.spec?.nodeName : undefined;
  };
  const written = async () => (await site.disks()).filter(({ blockCount }) => blockCount > 0);
  const volumes = async () => (await site.core.listPersistentVolume()).items;
  const quiesce = ["--quiesce", "statefulset/default/db"];

  beforeAll(async () => {
    site = await KubernetesSite.start();
    await addPluginVolume(site);
    await site.apps.createNamespacedStatefulSet({ namespace: "default", body: statefulSet("db", "data") });
    await vi.waitFor(async () => expect(await podNode()).toMatch(/worker-[12]/), patience);
  });
  afterAll(async () => {
    await site?.stop();
  });

  it("is not done while it is in use and nothing is quiesced, nor without a word that it may be taken over", async () => {
    expect(await move(name, "--to", "eu-fra/fra-1", "--adopt")).toMatchObject({
      code: 1,
      err: expect.stringContaining("in use: pods default/db-0"),
    });
    const planned = await move(name, "--to", "eu-fra/fra-1", "--dry-run", ...quiesce);
    expect(planned).toMatchObject({
      code: 0,
      out: expect.stringMatching(/gets an owner VM.*\n {2}from: +eu-ams\/ams-1\n {2}to: +eu-fra\/fra-1/),
    });
    expect(planned.out).toContain("repeat this with --adopt");
    expect(await move(name, "--to", "eu-fra/fra-1", ...quiesce)).toMatchObject({ code: 1, out: planned.out });
    const [volume] = await volumes();
    expect(volume!.metadata!.labels).toBeUndefined();
    expect(volume!.spec).toMatchObject({ persistentVolumeReclaimPolicy: "Delete", csi: { volumeHandle } });
    expect(await podNode()).toMatch(/worker-[12]/);
  });

  it.each([
    ["region", "eu-fra/fra-1", /^worker-4$/, ["--adopt"]],
    ["region back", "eu-ams/ams-1", /^worker-[12]$/, []],
    ["zone", "eu-ams/ams-2", /^worker-3$/, []],
  ])("takes it to another %s with its data, claim and pod", async (_what, to, worker, more) => {
    const [before] = await written();
    const result = await move("default/data", "--to", to, "--format", "json", ...quiesce, ...more);
    expect(result).toMatchObject({ code: 0, err: expect.not.stringContaining("error") });
    const report = JSON.parse(result.out) as { moved: boolean; volumeHandle: string; persistentVolume: string };
    expect(report).toMatchObject({ moved: true, to, volumeHandle: expect.stringContaining(`${to}/local-lvm/vm-`) });
    await expect.poll(podNode, patience).toMatch(worker);
    const bound = await site.core.readNamespacedPersistentVolumeClaim(claim);
    expect([bound.spec?.volumeName, bound.status?.phase]).toEqual([report.persistentVolume, "Bound"]);
    expect((await volumes()).map(({ metadata }) => metadata!.name)).toEqual([report.persistentVolume]);
    expect((await written()).map(({ sha256 }) => sha256)).toEqual([before!.sha256]);
    expect(site.standIn.formatted).toHaveLength(1);
  });

  it("does nothing to one that is there", async () => {
    const [volume] = await volumes();
    expect(await move(name, "--to", "eu-ams/ams-2")).toMatchObject({ code: 0, err: expect.not.stringContaining("error") });
    expect((await volumes()).map(({ metadata }) => metadata!.uid)).toEqual([volume!.metadata!.uid]);
    expect(await podNode()).toBe("worker-3");
  });
});
