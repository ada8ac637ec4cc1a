/** `federate volumes` on simulated Proxmox clusters and a real API server. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { federate } from "../cli/run";
import { EngineReplay } from "../support/engine-replay";
import { pool } from "../support/stack";
import { KubernetesSite, statefulSet } from "./support/kubernetes-site";

const REPOSITORY = `${__dirname}/../..`;
const patience = { timeout: 60_000, interval: 200 };

describe("federate volumes", () => {
  let site: KubernetesSite;
  let handle: string;
  let persistentVolume: string;
  const volumes = (...argv: string[]) =>
    federate(["volumes", ...argv, "--kubeconfig", site.controlPlane.kubeconfig], { ...process.env, ...site.federation.env });
  const json = async <T>(...argv: string[]) => JSON.parse((await volumes(...argv, "--format", "json")).out) as T;

  beforeAll(async () => {
    site = await KubernetesSite.start();
    const stack = new EngineReplay({ cwd: REPOSITORY, env: site.federation.env });
    const claim = { namespace: "default", name: "data" };
    await stack.up([pool("kubernetes"), site.volume("data", { size: "2GiB", region: "eu-ams", zone: "ams-1", claim })]);
    const { outputs } = stack.get("data");
    handle = outputs.volumeHandle as string;
    persistentVolume = outputs.persistentVolume as string;
    await site.apps.createNamespacedStatefulSet({ namespace: "default", body: statefulSet("db", "data") });
    const phase = async () =>
      (await site.core.readNamespacedPod({ namespace: "default", name: "db-0" }).catch(() => undefined))?.status?.phase;
    await vi.waitFor(async () => expect(await phase()).toBe("Running"), patience);
  });
  afterAll(async () => {
    await site?.stop();
  });

  it("lists them with place, claim and the program that made them", async () => {
    const { code, out } = await volumes("list");
    expect(code).toBe(0);
    expect(out).toMatch(/VOLUME +REGION +ZONE +STORAGE +SIZE +PHASE +CLAIM +MADE BY/);
    expect(out).toMatch(new RegExp(`${persistentVolume} +eu-ams +ams-1 +local-lvm +2 GiB +Bound +default/data +data of test/dev`));
  });

  it("says where a volume is, by any of its names", async () => {
    const place = { volume: persistentVolume, volumeHandle: handle, cluster: "amsterdam", zone: "ams-1", ownerNode: "ams-1" };
    for (const name of [persistentVolume, "default/data", "data"]) expect(await json("where", name)).toMatchObject(place);
    const { out } = await volumes("where", "data");
    expect(out).toMatch(
      /cluster +amsterdam \(region eu-ams\)\nzone +ams-1\ndisk +local-lvm:vm-\d+-disk-0, 2 GiB\nowned by +vm \d+ on ams-1/,
    );
    expect(await volumes("where", "nothing")).toMatchObject({ code: 2, err: expect.stringContaining("is called nothing") });
  });

  it("says who uses a volume", async () => {
    expect(await json("used-by", "data")).toEqual({
      volume: persistentVolume,
      pods: ["default/db-0"],
      attachments: [expect.stringMatching(/^csi-\w+ \(on worker-[12]\)$/)],
      guests: [expect.stringMatching(/^vm 100[12] \(scsi\d+\)$/)],
    });
  });

  it("tells what a move takes and moves nothing", async () => {
    const { code, out } = await volumes("move", "data", "--to", "eu-fra/fra-1", "--dry-run");
    expect([code, out]).toEqual([0, expect.stringMatching(/: eu-ams\/ams-1 → eu-fra\/fra-1, 2 GiB\nin use: pods default\/db-0/)]);
    expect(out).toMatch(/stack test\/dev give ZonedPersistentVolume data region: "eu-fra", zone: "fra-1", allowMove: true and quiesce/);
    expect((await volumes("move", "data", "--to", "eu-fra/fra-1")).code).toBe(1);
    expect(await volumes("move", "data", "--to", "eu-ams/ams-1")).toMatchObject({ code: 2, err: expect.stringContaining("already") });
    expect(await volumes("move", "data", "--to", "moon/m-1")).toMatchObject({ code: 2, err: expect.stringContaining("no cluster's") });
    expect(await volumes("move", "data", "--to", "eu-fra")).toMatchObject({ code: 2, err: expect.stringContaining("region/zone") });
    expect(await json<{ volumeHandle: string }>("where", "data")).toMatchObject({ volumeHandle: handle });
  });

  it("finds disks without PersistentVolume and PersistentVolumes without disk, and takes no snapshot for one", async () => {
    expect(await volumes("orphans")).toMatchObject({ code: 0, out: expect.stringContaining("no orphans") });
    const api = await site.proxmox("eu-fra");
    const allocate = (filename: string) => api.storage.allocate("fra-2", "local-lvm", { filename, vmid: 9999, sizeBytes: 1024 ** 3 });
    await allocate("vm-9999-pvc-lost");
    await allocate("vm-9999-snapshot-kept");
    const gone = structuredClone(await site.core.readPersistentVolume({ name: persistentVolume }));
    const csi = { ...gone.spec!.csi!, volumeHandle: "eu-fra/fra-1/local-lvm/vm-9999-pvc-gone" };
    const spec = { ...gone.spec!, csi, claimRef: undefined };
    await site.core.createPersistentVolume({ body: { metadata: { name: "gone" }, spec } });

    const { code, out } = await volumes("orphans");
    expect(code).toBe(1);
    expect(out).toMatch(/frankfurt\/fra-2 +local-lvm:vm-9999-pvc-lost +1 GiB +made by the CSI plugin/);
    expect(out).not.toContain("snapshot");
    expect(out).toMatch(/PersistentVolumes whose disk is not there:\n +gone +eu-fra\/fra-1\/local-lvm\/vm-9999-pvc-gone +on frankfurt/);
    expect(out).not.toContain(handle);
  });

  it("tells the disk of a program that has lost its PersistentVolume", async () => {
    await site.apps.deleteNamespacedStatefulSet({ namespace: "default", name: "db" });
    await expect.poll(async () => (await site.storage.listVolumeAttachment()).items.length, patience).toBe(0);
    await site.core.deleteNamespacedPersistentVolumeClaim({ namespace: "default", name: "data" });
    await site.core.deletePersistentVolume({ name: persistentVolume });
    const disks = async () => (await json<{ disks: { madeBy: string; cluster: string }[] }>("orphans")).disks;
    await expect.poll(disks, patience).toContainEqual(expect.objectContaining({ madeBy: "program", cluster: "amsterdam", node: "ams-1" }));
  });
});
