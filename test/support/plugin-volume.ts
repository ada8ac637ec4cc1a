/** A volume as the CSI plugin makes it: a disk without an owner, its PersistentVolume and a bound claim. */
import type { PersistentVolume } from "../../src/kubernetes";
import { CLAIM } from "./fake-kubernetes";
import type { VolumeScenario } from "./volume-scenario";

export const PLUGIN_VOLUME = "pvc-7bb09e5d-ebd3-4b13-9ea2-67f25ae8b1c8";
export const PLUGIN_VOLID = `fast:vm-9999-${PLUGIN_VOLUME}`;
export const PLUGIN_HANDLE = `a/a1/fast/vm-9999-${PLUGIN_VOLUME}`;

export function pluginPersistentVolume(spec: PersistentVolume["spec"] = {}): PersistentVolume {
  return {
    metadata: {
      name: PLUGIN_VOLUME,
      uid: "pv-of-the-plugin",
      annotations: { "pv.kubernetes.io/provisioned-by": "csi.proxmox.sinextra.dev" },
    },
    spec: {
      capacity: { storage: "2Gi" },
      accessModes: ["ReadWriteOnce"],
      volumeMode: "Filesystem",
      persistentVolumeReclaimPolicy: "Delete",
      claimRef: { ...CLAIM, uid: "claim-of-the-plugin" },
      csi: {
        driver: "csi.proxmox.sinextra.dev",
        volumeHandle: PLUGIN_HANDLE,
        fsType: "ext4",
        volumeAttributes: { storage: "fast", backup: "0", iothread: "1", replicate: "0" },
      },
      ...spec,
    },
    status: { phase: "Bound" },
  };
}

/** Two GiB on `a/a1`, with a pod's data on it. */
export function addPluginVolume({ a, kubernetes }: VolumeScenario): void {
  a.volumes.set(PLUGIN_VOLID, { volid: PLUGIN_VOLID, vmid: 9999, sizeBytes: 2 * 1024 ** 3, writes: ["filesystem", "orders"] });
  kubernetes.volumes.set(PLUGIN_VOLUME, pluginPersistentVolume());
  kubernetes.claim = {
    metadata: { ...CLAIM, uid: "claim-of-the-plugin" },
    spec: { accessModes: ["ReadWriteOnce"], volumeName: PLUGIN_VOLUME, resources: { requests: { storage: "2Gi" } }, storageClassName: "" },
    status: { phase: "Bound" },
  };
}
