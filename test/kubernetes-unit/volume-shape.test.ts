import { describe, expect, it } from "vitest";
import {
  findVolumeMark,
  type PersistentVolumeClaim,
  toClaim,
  toNodeAffinity,
  toPersistentVolume,
  toReboundClaim,
  type VolumeShape,
  zonesOf,
} from "../../src/kubernetes";

const mark = { federation: "acme", stack: "shop/prod", name: "pv/data", generation: 2 };
const shape: VolumeShape = {
  name: "data-0a1b2c3d",
  handle: { region: "eu-ams", zone: "ams-1", storage: "local-lvm", volname: "vm-1004-disk-0" },
  sizeBytes: 10 * 1024 ** 3,
  storageClassName: "local",
  accessMode: "ReadWriteOnce",
  volumeMode: "Filesystem",
  fsType: "xfs",
  mountOptions: ["noatime"],
  attributes: {},
  mark,
  identityTag: "fed-0123456789abcdef",
};

describe("a PersistentVolume", () => {
  it("is what the plugin reads", () => {
    expect(toPersistentVolume(shape)).toEqual({
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: {
        name: "data-0a1b2c3d",
        labels: { "proxmox-federation/volume": "fed-0123456789abcdef" },
        annotations: { "proxmox-federation/mark": JSON.stringify(mark) },
      },
      spec: {
        capacity: { storage: "10Gi" },
        accessModes: ["ReadWriteOnce"],
        volumeMode: "Filesystem",
        storageClassName: "local",
        persistentVolumeReclaimPolicy: "Retain",
        mountOptions: ["noatime"],
        csi: {
          driver: "csi.proxmox.sinextra.dev",
          volumeHandle: "eu-ams/ams-1/local-lvm/vm-1004-disk-0",
          fsType: "xfs",
          volumeAttributes: { storage: "local-lvm", backup: "0", replicate: "0", iothread: "1" },
        },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              {
                matchExpressions: [
                  { key: "topology.kubernetes.io/region", operator: "In", values: ["eu-ams"] },
                  { key: "topology.kubernetes.io/zone", operator: "In", values: ["ams-1"] },
                ],
              },
            ],
          },
        },
      },
    });
  });

  it("opens an encrypted disk when it is staged and when it grows", () => {
    const secret = { name: "luks", namespace: "kube-system" };
    const { spec } = toPersistentVolume({ ...shape, luks: { secretName: "luks", secretNamespace: "kube-system" } });
    expect(spec?.csi).toMatchObject({ nodeStageSecretRef: secret, nodeExpandSecretRef: secret });
  });

  it("is kept for one claim, by name and not by uid", () => {
    const { spec } = toPersistentVolume({ ...shape, claim: { namespace: "shop", name: "data" } });
    expect(spec?.claimRef).toEqual({ apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: "shop", name: "data" });
  });

  it("that is replicated says so, and lets pods run in all of its zones", () => {
    const zones = ["ams-1", "ams-2"];
    const handle = { region: "eu-ams", storage: "tank", volname: "vm-1004-disk-0" };
    const { spec } = toPersistentVolume({ ...shape, handle, reachableZones: zones, replication: { zones, schedule: "*/30" } });
    expect(spec?.csi).toMatchObject({
      volumeHandle: "eu-ams//tank/vm-1004-disk-0",
      volumeAttributes: { storage: "tank", replicate: "1", replicateZones: "ams-1,ams-2", replicateSchedule: "*/30" },
    });
    expect(spec?.nodeAffinity).toEqual(toNodeAffinity({ region: "eu-ams" }, zones));
    expect(zonesOf({ spec })).toEqual(zones);
    expect(zonesOf({ spec: { nodeAffinity: toNodeAffinity({ region: "eu-ams" }) } })).toBeUndefined();
  });

  it("of a raw device has no filesystem", () => {
    expect(toPersistentVolume({ ...shape, volumeMode: "Block" }).spec?.csi?.fsType).toBeUndefined();
  });

  it("carries every attribute as the text the plugin parses", () => {
    const attributes = { cache: "none", aio: "io_uring", ssd: true, ioThread: false, diskIops: 500, diskMBps: 100 } as const;
    expect(toPersistentVolume({ ...shape, attributes }).spec?.csi?.volumeAttributes).toEqual({
      storage: "local-lvm",
      backup: "0",
      replicate: "0",
      iothread: "0",
      cache: "none",
      aio: "io_uring",
      ssd: "1",
      diskIOPS: "500",
      diskMBps: "100",
    });
  });

  it("says whose it is, and only unmistakably", () => {
    expect(findVolumeMark(toPersistentVolume(shape))).toEqual(mark);
    for (const text of ["", "{", "null", "{}", JSON.stringify({ ...mark, generation: "2" })])
      expect(findVolumeMark({ metadata: { annotations: { "proxmox-federation/mark": text } } })).toBeUndefined();
    expect(findVolumeMark({})).toBeUndefined();
  });
});

describe("node affinity", () => {
  const region = { key: "topology.kubernetes.io/region", operator: "In", values: ["eu-ams"] };
  const zone = (name: string) => ({ key: "topology.kubernetes.io/zone", operator: "In", values: [name] });

  it("of a shared volume is its region", () => {
    expect(toNodeAffinity({ region: "eu-ams" }).required?.nodeSelectorTerms).toEqual([{ matchExpressions: [region] }]);
  });

  it("of a volume that some nodes reach is one term for each of them", () => {
    expect(toNodeAffinity({ region: "eu-ams" }, ["ams-1", "ams-2"]).required?.nodeSelectorTerms).toEqual([
      { matchExpressions: [region, zone("ams-1")] },
      { matchExpressions: [region, zone("ams-2")] },
    ]);
  });
});

describe("a claim", () => {
  const claim = toClaim({
    namespace: "shop",
    name: "data",
    labels: { app: "db" },
    sizeBytes: 1024 ** 3,
    storageClassName: "",
    accessMode: "ReadWriteOncePod",
    volumeMode: "Filesystem",
    volumeName: "data-0a1b2c3d",
    mark,
  });

  it("names its volume and asks for the disk's size", () => {
    expect(claim.spec).toEqual({
      accessModes: ["ReadWriteOncePod"],
      volumeMode: "Filesystem",
      storageClassName: "",
      volumeName: "data-0a1b2c3d",
      resources: { requests: { storage: "1Gi" } },
    });
  });

  it("for another volume keeps what people wrote and forgets the former binding", () => {
    const bound: PersistentVolumeClaim = {
      ...claim,
      metadata: {
        ...claim.metadata,
        uid: "1",
        resourceVersion: "7",
        finalizers: ["kubernetes.io/pvc-protection"],
        annotations: {
          ...claim.metadata?.annotations,
          team: "shop",
          "pv.kubernetes.io/bind-completed": "yes",
          "volume.kubernetes.io/selected-node": "worker-1",
        },
      },
      status: { phase: "Bound" },
    };
    const rebound = toReboundClaim(bound, "data-ffffffff");
    expect(rebound.metadata).toEqual({
      namespace: "shop",
      name: "data",
      labels: { app: "db" },
      annotations: { ...claim.metadata?.annotations, team: "shop" },
    });
    expect(rebound.spec).toEqual({ ...claim.spec, volumeName: "data-ffffffff" });
    expect(rebound.status).toBeUndefined();
  });
});
