import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EngineReplay } from "../support/engine-replay";
import { OperationFailedError } from "../support/replay-model";
import { pool } from "../support/stack";
import { type Checksum, KubernetesSite, statefulSet } from "./support/kubernetes-site";

const REPOSITORY = `${__dirname}/../..`;
const patience = { timeout: 60_000, interval: 200 };
const claim = { namespace: "default", name: "data" };
const quiesce = { kind: "StatefulSet", namespace: "default", name: "db" };

describe("a volume of two regions with two zones each", () => {
  let site: KubernetesSite;
  let stack: EngineReplay;
  const program = (inputs: Parameters<KubernetesSite["volume"]>[1] = {}) => [
    pool("kubernetes"),
    site.volume("data", { size: "2GiB", region: "eu-ams", zone: "ams-1", claim, storageClassName: "local", ...inputs }),
  ];
  const preview = async (inputs?: Parameters<typeof program>[0]) =>
    (await stack.preview(program(inputs))).filter((step) => step.name === "data");
  const operations = async (inputs?: Parameters<typeof program>[0]) => (await preview(inputs)).map((step) => step.operation);

  beforeAll(async () => {
    site = await KubernetesSite.start();
    stack = new EngineReplay({ cwd: REPOSITORY, env: site.federation.env });
    await site.storage.createStorageClass({ body: { metadata: { name: "local" }, provisioner: "csi.proxmox.sinextra.dev" } });
  });
  afterAll(async () => {
    await site?.stop();
  });

  const podNode = async () =>
    (await site.core.readNamespacedPod({ namespace: "default", name: "db-0" }).catch(() => undefined))?.spec?.nodeName;
  const podPhase = async () =>
    (await site.core.readNamespacedPod({ namespace: "default", name: "db-0" }).catch(() => undefined))?.status?.phase;
  const volumeOf = async () => {
    const { spec } = await site.core.readNamespacedPersistentVolumeClaim(claim);
    return site.core.readPersistentVolume({ name: spec!.volumeName! });
  };
  const written = async (): Promise<Checksum> => {
    const disks = (await site.disks()).filter((disk) => disk.blockCount > 0);
    expect(disks).toHaveLength(1);
    return disks[0]!;
  };
  const refusal = async (inputs: Parameters<typeof program>[0]) => {
    const failure = await stack.preview(program(inputs)).then(
      () => expect.unreachable("the preview succeeded"),
      (error: unknown) => error as OperationFailedError,
    );
    expect(failure).toBeInstanceOf(OperationFailedError);
    return failure.failures.map(({ message }) => message).join("\n");
  };

  it("is created in its zone with a bound claim, as the plugin reads it", async () => {
    await stack.up(program());
    const { outputs } = stack.get("data");
    expect(outputs.volumeHandle).toBe(`eu-ams/ams-1/local-lvm/vm-${outputs.ownerVmid}-disk-0`);
    const volume = await volumeOf();
    expect(volume.metadata?.name).toBe(outputs.persistentVolume);
    expect(volume.status?.phase).toBe("Bound");
    expect(volume.spec).toMatchObject({
      capacity: { storage: "2Gi" },
      persistentVolumeReclaimPolicy: "Retain",
      csi: { driver: "csi.proxmox.sinextra.dev", volumeHandle: outputs.volumeHandle, fsType: "ext4" },
    });
    expect(await operations()).toEqual(["same"]);
    expect((await stack.refresh()).filter((step) => step.drift)).toEqual([]);
  });

  it("is no diff while pods move between workers of its zone, and its data is formatted once", async () => {
    await site.apps.createNamespacedStatefulSet({ namespace: "default", body: statefulSet("db", "data") });
    await expect.poll(podPhase, patience).toBe("Running");
    const first = await podNode();
    expect(["worker-1", "worker-2"]).toContain(first);
    expect(await operations()).toEqual(["same"]);

    await site.core.patchNode({ name: first!, body: [{ op: "add", path: "/spec/unschedulable", value: true }] });
    await site.core.deleteNamespacedPod({ namespace: "default", name: "db-0" });
    await expect.poll(async () => ((await podPhase()) === "Running" ? await podNode() : undefined), patience).not.toBe(first);
    expect(["worker-1", "worker-2"]).toContain(await podNode());
    expect(await operations()).toEqual(["same"]);
    expect((await stack.refresh()).filter((step) => step.drift)).toEqual([]);
    await site.core.patchNode({ name: first!, body: [{ op: "remove", path: "/spec/unschedulable" }] });
    expect(site.standIn.formatted).toHaveLength(1);
  });

  it("keeps its pod waiting while no worker of its zone takes one, and that is no diff either", async () => {
    const cordon = async (unschedulable: boolean) => {
      for (const name of ["worker-1", "worker-2"])
        await site.core.patchNode({ name, body: [{ op: "add", path: "/spec/unschedulable", value: unschedulable }] });
    };
    const whyNotScheduled = async () => {
      const { status } = await site.core.readNamespacedPod({ namespace: "default", name: "db-0" });
      return status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False")?.message ?? "";
    };
    await cordon(true);
    await site.core.deleteNamespacedPod({ namespace: "default", name: "db-0" });
    await expect
      .poll(() => whyNotScheduled().catch(() => ""), patience)
      .toMatch(/2 node\(s\) didn't match PersistentVolume's node affinity/);
    expect(await operations()).toEqual(["same"]);
    await cordon(false);
    await expect.poll(podPhase, patience).toBe("Running");
    expect(["worker-1", "worker-2"]).toContain(await podNode());
  });

  it("is refused another zone without allowMove, with the names of its users", async () => {
    const message = await refusal({ zone: "ams-2" });
    expect(message).toMatch(/Volume data must leave eu-ams\/ams-1 for eu-ams\/ams-2/);
    expect(message).toMatch(/pods default\/db-0/);
    expect(message).toMatch(/allowMove: true/);
  });

  it("is refused another zone while in use without quiesce", async () => {
    expect(await refusal({ zone: "ams-2", allowMove: true })).toMatch(/in use: pods default\/db-0; attachments csi-\w+ \(on worker-\d\)/);
  });

  it("moves to the other zone with its data, and the pod follows", async () => {
    const before = await written();
    const moving = { zone: "ams-2", allowMove: true, quiesce };
    const [replace] = await preview(moving);
    expect(replace).toMatchObject({ operation: "replace", inputs: { migration: { from: "eu-ams/ams-1", to: "eu-ams/ams-2" } } });
    const former = stack.get("data").outputs.persistentVolume as string;
    await stack.up(program(moving));

    const { outputs } = stack.get("data");
    expect(outputs.volumeHandle).toMatch(/^eu-ams\/ams-2\/local-lvm\//);
    expect(outputs.persistentVolume).not.toBe(former);
    await expect.poll(podPhase, patience).toBe("Running");
    expect(await podNode()).toBe("worker-3");
    expect(await written()).toMatchObject({ sha256: before.sha256, backend: "amsterdam:local-lvm@ams-2" });
    await expect(site.core.readPersistentVolume({ name: former })).rejects.toMatchObject({ code: 404 });
    expect(await operations(moving)).toEqual(["same"]);
    expect(site.standIn.formatted).toHaveLength(1);
  });

  it("grows while attached, through its claim, if its class allows that", async () => {
    const bigger = { zone: "ams-2", allowMove: true, quiesce, size: "3GiB" };
    await expect(stack.up(program(bigger))).rejects.toThrow(/is attached and its claim default\/data may not grow.*allowVolumeExpansion/s);
    await site.storage.patchStorageClass({ name: "local", body: [{ op: "add", path: "/allowVolumeExpansion", value: true }] });
    await stack.up(program(bigger));
    expect(stack.get("data").outputs.sizeBytes).toBe(3 * 1024 ** 3);
    expect((await volumeOf()).spec?.capacity).toEqual({ storage: "3Gi" });
    expect(await operations(bigger)).toEqual(["same"]);
    expect(await refusal({ ...bigger, size: "1GiB" })).toMatch(/disks only grow/);
  });

  it("moves to the other region with its data, and the pod follows", async () => {
    const before = await written();
    const moving = { region: "eu-fra", zone: "fra-1", size: "3GiB", allowMove: true, quiesce };
    expect(await refusal({ region: "eu-fra", zone: "fra-1", size: "3GiB" })).toMatch(/must leave eu-ams\/ams-2 for eu-fra\/fra-1/);
    await stack.up(program(moving));
    await expect.poll(podPhase, patience).toBe("Running");
    expect(await podNode()).toBe("worker-4");
    expect(await written()).toMatchObject({ sha256: before.sha256, backend: "frankfurt:local-lvm@fra-1" });
    expect(stack.get("data").outputs.volumeHandle).toMatch(/^eu-fra\/fra-1\/local-lvm\//);
    expect(await operations(moving)).toEqual(["same"]);
    expect(site.standIn.formatted).toHaveLength(1);
    expect(site.standIn.errors).toEqual([]);
  });

  it("keeps the credentials of its cluster out of the state and of what is printed", () => {
    expect(site.token.length).toBeGreaterThan(100);
    expect(JSON.stringify(stack.state)).not.toContain(site.token);
    expect(stack.output.join("\n")).not.toContain(site.token);
  });

  it("is kept while a pod uses it, and leaves nothing behind once it is free", async () => {
    await expect(stack.destroy()).rejects.toThrow(/is kept, because it is in use: pods default\/db-0/);
    await site.apps.deleteNamespacedStatefulSet({ namespace: "default", name: "db" });
    await expect.poll(async () => (await site.storage.listVolumeAttachment()).items.length, patience).toBe(0);
    await stack.destroy();
    expect((await site.core.listPersistentVolume()).items).toEqual([]);
    expect(await site.disks()).toEqual([]);
  });
});
