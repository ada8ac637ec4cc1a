/** A volume that Proxmox replicates between two zones: pods run in either, and the program sees no change. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EngineReplay } from "../support/engine-replay";
import { pool } from "../support/stack";
import { KubernetesSite, statefulSet } from "./support/kubernetes-site";

const REPOSITORY = `${__dirname}/../..`;
const patience = { timeout: 60_000, interval: 200 };
const claim = { namespace: "default", name: "data" };
const ZONE = "topology.kubernetes.io/zone";

describe("a replicated volume", () => {
  let site: KubernetesSite;
  let stack: EngineReplay;
  const declared = { size: "2GiB", region: "eu-ams", claim, storageClassName: "local", replicate: { zones: ["ams-1", "ams-2"] } };
  const program = (...inputs: Parameters<KubernetesSite["volume"]>[1][]) => [
    pool("kubernetes"),
    ...inputs.map((each) => site.volume("data", each)),
  ];
  const cluster = () => site.federation.simulator.world.state.clusters.amsterdam!;
  const owner = () => cluster().guests[stack.get("data").outputs.ownerVmid as number]!;
  const targets = () => Object.values(cluster().replication).map(({ target }) => target);

  beforeAll(async () => {
    site = await KubernetesSite.start((text) => text.replaceAll("type: lvmthin", "type: zfs"));
    const { access } = cluster();
    // Beside what every program needs; by era, see docs/privileges.md.
    access.roles.Replicator = cluster().era === "8.4" ? ["Datastore.Allocate"] : ["VM.Replicate"];
    const { subject, kind } = access.acl[0]!;
    access.acl.push({ path: cluster().era === "8.4" ? "/storage" : "/vms", role: "Replicator", subject, kind, propagate: true });
    stack = new EngineReplay({ cwd: REPOSITORY, env: site.federation.env });
    const provisioner = "csi.proxmox.sinextra.dev";
    await site.storage.createStorageClass({ body: { metadata: { name: "local" }, provisioner, allowVolumeExpansion: true } });
  });
  afterAll(async () => {
    await site?.stop();
  });

  const podZone = async () => {
    const pod = await site.core.readNamespacedPod({ namespace: "default", name: "db-0" }).catch(() => undefined);
    if (pod?.status?.phase !== "Running") return undefined;
    return (await site.core.readNode({ name: pod.spec!.nodeName! })).metadata?.labels?.[ZONE];
  };
  const operations = async () => (await stack.preview(program(declared))).map(({ operation }) => operation);
  /** Of the disk and its replica: equal once Proxmox has replicated. */
  const contents = async () => (await site.disks()).filter(({ blockCount }) => blockCount > 0).map(({ sha256 }) => sha256);

  it("is bound with an affinity to its zones, and a job leads to the other one", async () => {
    await stack.up(program(declared));
    const { outputs } = stack.get("data");
    expect(outputs.volumeHandle).toBe(`eu-ams//local-lvm/vm-${outputs.ownerVmid}-disk-0`);
    const { spec, status } = await site.core.readPersistentVolume({ name: outputs.persistentVolume as string });
    expect(status?.phase).toBe("Bound");
    expect(spec?.csi?.volumeAttributes).toMatchObject({ replicate: "1", replicateZones: "ams-1,ams-2" });
    expect(spec?.nodeAffinity?.required?.nodeSelectorTerms).toHaveLength(2);
    expect([owner().node, targets()]).toEqual(["ams-1", ["ams-2"]]);
    expect(await operations()).toEqual(["same", "same"]);
  });

  it("is replicated, goes where its pod goes with all that was written, and is no diff", async () => {
    await site.apps.createNamespacedStatefulSet({ namespace: "default", body: statefulSet("db", "data", { [ZONE]: "ams-1" }) });
    await expect.poll(podZone, patience).toBe("ams-1");
    await expect.poll(async () => (await contents()).length, patience).toBe(2);
    const [written] = await contents();
    for (const zone of ["ams-2", "ams-1"]) {
      const body = [{ op: "replace", path: "/spec/template/spec/nodeSelector", value: { [ZONE]: zone } }];
      await site.apps.patchNamespacedStatefulSet({ namespace: "default", name: "db", body });
      await expect.poll(podZone, patience).toBe(zone);
      expect(owner().node).toBe(zone);
      expect(targets()).toEqual([zone === "ams-1" ? "ams-2" : "ams-1"]);
      expect(await operations()).toEqual(["same", "same"]);
      expect((await stack.refresh()).filter(({ drift }) => drift)).toEqual([]);
      expect(await operations()).toEqual(["same", "same"]);
    }
    expect(new Set(await contents())).toEqual(new Set([written]));
    expect(site.standIn.formatted).toHaveLength(1);
  });

  it("leaves neither disk nor replica nor job behind", async () => {
    await site.apps.deleteNamespacedStatefulSet({ namespace: "default", name: "db" });
    await expect.poll(async () => (await site.storage.listVolumeAttachment()).items.length, patience).toBe(0);
    await stack.up(program());
    expect(await site.disks()).toEqual([]);
    expect(targets()).toEqual([]);
    expect((await site.core.listPersistentVolume()).items).toEqual([]);
    expect(site.standIn.errors).toEqual([]);
  });
});
