import { describe, expect, it } from "vitest";
import { currentOf, isFree, toFreeVolume } from "../../src/cli/volumes/free-volume";
import { nextStep } from "../../src/cli/volumes/move";
import { type ClusterDisks, findOrphanedDisks, findOrphanedVolumes } from "../../src/cli/volumes/orphans";
import { type CsiVolume, requireVolume } from "../../src/cli/volumes/volumes";
import type { Cluster } from "../../src/config";
import { parseVolumeHandle } from "../../src/kubernetes";
import { federate } from "./run";

function volume(name: string, volumeHandle: string, changes: Partial<CsiVolume> = {}): CsiVolume {
  return { name, volumeHandle, handle: parseVolumeHandle(volumeHandle), sizeBytes: 1, phase: "Bound", object: {}, ...changes };
}

function seen(disks: ClusterDisks["disks"], changes: Partial<ClusterDisks> = {}): ClusterDisks {
  return { cluster: "ams", region: "eu", disks, listed: new Set(["a1/lvm", "a2/lvm", "nas"]), owners: new Set(), ...changes };
}

const on = (node: string, volid: string) => ({ node, volid, sizeBytes: 1 });

describe("orphaned disks", () => {
  const find = (volumes: CsiVolume[], cluster: ClusterDisks) => findOrphanedDisks(volumes, [cluster], 9999).map(({ volid }) => volid);

  it.each<[string, string, string[]]>([
    ["named by its PersistentVolume", "eu/a1/lvm/vm-9999-pvc-1", []],
    ["named in another region", "us/a1/lvm/vm-9999-pvc-1", ["lvm:vm-9999-pvc-1"]],
    ["named on another node, where it is another disk", "eu/a2/lvm/vm-9999-pvc-1", ["lvm:vm-9999-pvc-1"]],
    ["named only as part of a longer name", "eu/a1/lvm/vm-9999-pvc-10", ["lvm:vm-9999-pvc-1"]],
    ["named for the whole region", "eu//lvm/vm-9999-pvc-1", []],
  ])("a disk of the plugin that is %s", (_case, handle, orphans) => {
    expect(find([volume("pv", handle)], seen([on("a1", "lvm:vm-9999-pvc-1")]))).toEqual(orphans);
  });

  it("leaves out the plugin's snapshots and disks of other guests, also in files", () => {
    const disks = [
      "lvm:vm-9999-snapshot-1",
      "dir:9999/vm-9999-snapshot-1.raw",
      "lvm:vm-100-disk-0",
      "lvm:base-9998-disk-0",
      "dir:9999/vm-9999-pvc-2.raw",
    ];
    expect(find([], seen(disks.map((volid) => on("a1", volid))))).toEqual(["dir:9999/vm-9999-pvc-2.raw"]);
  });

  it("tells disks of a program by their owner", () => {
    const disks = [on("a1", "lvm:vm-1000-disk-0"), on("a1", "lvm:vm-1001-disk-0")];
    expect(findOrphanedDisks([volume("pv", "eu/a1/lvm/vm-1000-disk-0")], [seen(disks, { owners: new Set([1000, 1001]) })], 9999)).toEqual([
      { cluster: "ams", node: "a1", volid: "lvm:vm-1001-disk-0", sizeBytes: 1, madeBy: "program" },
    ]);
  });
});

describe("PersistentVolumes without disk", () => {
  const find = (handle: string, cluster: ClusterDisks) => findOrphanedVolumes([volume("pv", handle)], [cluster]).length;

  it.each<[string, string, number]>([
    ["its disk is there", "eu/a1/lvm/vm-9999-pvc-1", 0],
    ["its disk is on another node only", "eu/a2/lvm/vm-9999-pvc-1", 1],
    ["its disk is gone", "eu/a1/lvm/vm-9999-pvc-2", 1],
    ["its storage could not be listed", "eu/a3/lvm/vm-9999-pvc-2", 0],
    ["its cluster could not be asked", "us/a1/lvm/vm-9999-pvc-2", 0],
    ["it is gone from a shared storage", "eu//nas/vm-9999-pvc-2", 1],
  ])("%s", (_case, handle, count) => {
    expect(find(handle, seen([on("a1", "lvm:vm-9999-pvc-1")]))).toBe(count);
  });
});

describe("which volume is meant", () => {
  const mark = { federation: "f", stack: "shop/dev", name: "pv/data", generation: 1 };
  const volumes = [
    volume("data-11111111", "eu/a1/lvm/vm-1000-disk-0", { mark, claim: "default/data" }),
    volume("data-22222222", "us/u1/lvm/vm-2000-disk-0", { mark: { ...mark, generation: 2 } }),
    volume("pvc-1", "eu/a1/lvm/vm-9999-pvc-1", { claim: "default/other" }),
  ];

  it.each([
    ["pvc-1", "pvc-1"],
    ["default/data", "data-11111111"],
    ["data", "data-22222222"],
  ])("%s is %s", (wanted, name) => {
    expect(requireVolume(volumes, wanted).name).toBe(name);
  });

  it("refuses a name of nobody, and one of two stacks", () => {
    expect(() => requireVolume(volumes, "pvc")).toThrow(/No volume of the Proxmox CSI driver is called pvc/);
    const other = volume("data-33333333", "eu/a1/lvm/vm-1001-disk-0", { mark: { ...mark, stack: "shop/prod" } });
    expect(() => requireVolume([...volumes, other], "data")).toThrow(/Volumes of shop\/dev and shop\/prod are called data/);
  });
});

describe("what a move takes", () => {
  const target = { region: "us", zone: "u1" };
  const mark = { federation: "fed", stack: "shop/dev", name: "pv/data", generation: 1 };
  const place = 'region: "us", zone: "u1", allowMove: true';
  const adoption = 'adopt: { persistentVolume: "pv", takeOwnership: true }';
  const quiesce = " and quiesce: { kind, namespace, name } of the workload that uses it";

  it.each<[string, Partial<CsiVolume>, boolean, string[]]>([
    [
      "a volume of a program",
      { mark },
      false,
      [`In the program of stack shop/dev give ZonedPersistentVolume data ${place}; "pulumi preview"`],
    ],
    ["one in use", { mark }, true, [`data ${place}${quiesce}; "pulumi preview" shows the move, "pulumi up" makes it.`]],
    [
      "one that was taken over",
      { mark: { ...mark, adopted: true } },
      true,
      [`ZonedPersistentVolume data ${adoption}${quiesce}. Run`, place],
    ],
  ])("of %s", (_case, changes, inUse, parts) => {
    const text = nextStep(volume("pv", "eu/a1/lvm/vm-1000-disk-0", changes), target, inUse);
    for (const part of parts) expect(text).toContain(part);
    expect(text.includes("quiesce")).toBe(inUse);
  });
});

describe("the volume that is to be moved", () => {
  const mark = { federation: "f", stack: "federate", name: "pv/pvc-1", generation: 1 };
  const cluster = (id: string, classes: Record<string, string>, primary?: string) =>
    ({ id, storage: { classes, ...(primary === undefined ? {} : { primary }) } }) as unknown as Cluster;
  const source = cluster("ams", { fast: "lvm", quick: "lvm", slow: "dir" });
  const plugin = volume("pvc-1", "eu/a1/lvm/vm-9999-pvc-1", {
    object: {
      spec: {
        capacity: { storage: "10Gi" },
        accessModes: ["ReadWriteOnce"],
        storageClassName: "proxmox-fast",
        mountOptions: ["noatime"],
        claimRef: { namespace: "shop", name: "orders", uid: "u" },
        csi: {
          driver: "csi.proxmox.sinextra.dev",
          volumeHandle: "eu/a1/lvm/vm-9999-pvc-1",
          fsType: "xfs",
          nodeStageSecretRef: { namespace: "kube-system", name: "luks" },
          volumeAttributes: { storage: "lvm", ssd: "true", iothread: "0", cache: "none", diskIOPS: "500", backup: "0" },
        },
      },
    },
  });

  it("is declared as it is, with a class that means its storage and that the target has", () => {
    expect(toFreeVolume(plugin, {}, { source, target: cluster("fra", { quick: "nvme" }) })).toEqual({
      name: "pvc-1",
      at: { region: "eu", zone: "a1" },
      unowned: "pvc-1",
      declared: {
        name: "pvc-1",
        size: 10 * 1024 ** 3,
        storageClass: "quick",
        storageClassName: "proxmox-fast",
        volumeMode: "Filesystem",
        accessMode: "ReadWriteOnce",
        mountOptions: ["noatime"],
        fsType: "xfs",
        attributes: { cache: "none", ssd: true, ioThread: false, diskIops: 500 },
        luks: { secretName: "luks", secretNamespace: "kube-system" },
        claim: { namespace: "shop", name: "orders", create: false },
        kubernetes: {},
      },
    });
  });

  it("is refused without such a class, unless one is named", () => {
    const target = cluster("fra", { other: "nvme" });
    expect(() => toFreeVolume(plugin, {}, { source, target })).toThrow(/No storage class .* means storage lvm on ams .*--storage-class/);
    expect(toFreeVolume(plugin, { storageClass: "other" }, { source, target }).declared.storageClass).toBe("other");
    const primary = { source: cluster("ams", {}, "lvm"), target: cluster("fra", {}, "nvme") };
    expect(toFreeVolume(plugin, {}, primary).declared.storageClass).toBe("");
  });

  it("goes on where an interrupted run has left it", () => {
    const taken = volume("pvc-1", "eu/a1/lvm/vm-9999-pvc-1", { mark: { ...mark, adopted: true } });
    const owned = volume("pvc-1-11111111", "eu/a1/lvm/vm-1000-disk-0", { mark: { ...mark, generation: 2 } });
    const moved = volume("pvc-1-22222222", "us/u1/lvm/vm-2000-disk-0", { mark: { ...mark, generation: 3 } });
    expect([taken, owned, moved, plugin].map(isFree)).toEqual([true, true, true, true]);
    expect(isFree(volume("x", "eu/a1/lvm/vm-1-x", { mark: { ...mark, stack: "shop/dev" } }))).toBe(false);
    expect(currentOf(owned, [taken, owned])).toBe(taken);
    expect(currentOf(owned, [owned, moved])).toBe(moved);
    expect(currentOf(plugin, [plugin, moved])).toBe(plugin);
    expect(toFreeVolume(moved, { storageClass: "fast" }, { source, target: source })).toMatchObject({
      name: "pvc-1",
      at: { region: "us" },
    });
    expect(toFreeVolume(moved, { storageClass: "fast" }, { source, target: source })).not.toHaveProperty("unowned");
    expect(toFreeVolume(taken, { storageClass: "fast" }, { source, target: source })).toMatchObject({ unowned: "pvc-1" });
  });
});

describe("federate volumes", () => {
  it("says what a workload has to look like", async () => {
    const { code, err } = await federate(["volumes", "move", "x", "--to", "eu/a1", "--quiesce", "job/default/x"]);
    expect([code, err]).toEqual([2, expect.stringContaining("kind/namespace/name")]);
  });

  it("says when the kubeconfig cannot be used, with the code of a usage error", async () => {
    const { code, err } = await federate(["volumes", "list", "--kubeconfig", "/nonexistent/kubeconfig"]);
    expect([code, err]).toEqual([2, expect.stringContaining("/nonexistent/kubeconfig")]);
  });
});
