/** A volume as the CSI plugin provisions it, taken over under its pod, given an owner and moved to another region. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EngineReplay } from "../support/engine-replay";
import { pool } from "../support/stack";
import { type Checksum, KubernetesSite, statefulSet } from "./support/kubernetes-site";
import { addPluginVolume, PLUGIN_VOLUME } from "./support/plugin-volume";

const REPOSITORY = `${__dirname}/../..`;
const GIB = 1024 ** 3;
const patience = { timeout: 60_000, interval: 200 };
const { name, volumeHandle, claim } = PLUGIN_VOLUME;
const quiesce = { kind: "StatefulSet", namespace: "default", name: "db" };

describe("a volume that the plugin has made", () => {
  let site: KubernetesSite;
  let stack: EngineReplay;
  const program = (inputs: Parameters<KubernetesSite["volume"]>[1] = {}) => [
    pool("kubernetes"),
    site.volume("data", { size: "1GiB", claim, storageClassName: "local", adopt: { persistentVolume: name }, ...inputs }),
  ];
  const previewOf = async (inputs?: Parameters<typeof program>[0]) =>
    (await stack.preview(program(inputs))).find((step) => step.name === "data")!;
  const podPhase = async () =>
    (await site.core.readNamespacedPod({ namespace: "default", name: "db-0" }).catch(() => undefined))?.status?.phase;
  const podNode = async () => (await site.core.readNamespacedPod({ namespace: "default", name: "db-0" })).spec?.nodeName;
  const written = async (): Promise<Checksum> => {
    const disks = (await site.disks()).filter((disk) => disk.blockCount > 0);
    expect(disks).toHaveLength(1);
    return disks[0]!;
  };

  beforeAll(async () => {
    site = await KubernetesSite.start();
    stack = new EngineReplay({ cwd: REPOSITORY, env: site.federation.env });
    await addPluginVolume(site);
    await site.apps.createNamespacedStatefulSet({ namespace: "default", body: statefulSet("db", "data") });
    await vi.waitFor(async () => expect(await podPhase()).toBe("Running"), patience);
  });
  afterAll(async () => {
    await site?.stop();
  });

  it("is taken over under its pod: its names and its disk stay, its disk is retained", async () => {
    const before = await written();
    const pod = (await site.core.readNamespacedPod({ namespace: "default", name: "db-0" })).metadata?.uid;
    const step = await previewOf();
    expect(step.operation).toBe("create");
    expect(step.inputs?.adoption).toMatch(/^pvc-\S+ \(1GiB\) is taken/);
    await stack.up(program());
    expect(stack.get("data").outputs).toMatchObject({ persistentVolume: name, volumeHandle, sizeBytes: GIB });
    const volume = await site.core.readPersistentVolume({ name });
    expect(volume.spec?.persistentVolumeReclaimPolicy).toBe("Retain");
    expect((await site.core.readNamespacedPod({ namespace: "default", name: "db-0" })).metadata?.uid).toBe(pod);
    expect(await written()).toEqual(before);
    expect((await previewOf()).operation).toBe("same");
    expect((await stack.refresh()).filter((each) => each.drift)).toEqual([]);
  });

  it("grows through its claim while it is attached", async () => {
    await stack.up(program({ size: "2GiB" }));
    expect(stack.get("data").outputs.sizeBytes).toBe(2 * GIB);
    expect((await previewOf({ size: "2GiB" })).operation).toBe("same");
  });

  it("is left as it is by destroy, and taken over again", async () => {
    await stack.destroy();
    const volume = await site.core.readPersistentVolume({ name });
    expect(volume.metadata?.labels ?? {}).toEqual({});
    expect(volume.status?.phase).toBe("Bound");
    expect(await podPhase()).toBe("Running");
    await stack.up(program({ size: "2GiB" }));
  });

  it("gets an owner by renaming, and its pod comes back to the same data", async () => {
    const before = await written();
    const owning = { size: "2GiB", adopt: { persistentVolume: name, takeOwnership: true }, quiesce };
    expect((await previewOf(owning)).inputs?.adoption).toMatch(/gets an owner VM: its disk is renamed, not copied/);
    await stack.up(program(owning));
    const { outputs } = stack.get("data");
    expect(outputs.volumeHandle).toBe(`eu-ams/ams-1/local-lvm/vm-${outputs.ownerVmid}-disk-0`);
    await expect.poll(podPhase, patience).toBe("Running");
    expect(await written()).toMatchObject({ sha256: before.sha256, backend: "amsterdam:local-lvm@ams-1", vmid: outputs.ownerVmid });
    await expect(site.core.readPersistentVolume({ name })).rejects.toMatchObject({ code: 404 });
    expect((await previewOf(owning)).operation).toBe("same");
    expect((await stack.refresh()).filter((each) => each.drift)).toEqual([]);
  });

  it("moves to the other region like any volume, and is formatted once in all its life", async () => {
    const before = await written();
    const moving = {
      size: "2GiB",
      adopt: { persistentVolume: name, takeOwnership: true },
      quiesce,
      region: "eu-fra",
      zone: "fra-1",
      allowMove: true,
    };
    expect((await previewOf(moving)).operation).toBe("replace");
    await stack.up(program(moving));
    await expect.poll(podPhase, patience).toBe("Running");
    expect(await podNode()).toBe("worker-4");
    expect(await written()).toMatchObject({ sha256: before.sha256, backend: "frankfurt:local-lvm@fra-1" });
    expect((await previewOf(moving)).operation).toBe("same");
    expect(site.standIn.formatted).toHaveLength(1);
    expect(site.standIn.errors).toEqual([]);
  });
});
