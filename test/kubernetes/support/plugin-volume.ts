/** A volume as the CSI plugin provisions it in `ams-1`: a disk without an owner, its PersistentVolume and a bound claim. */
import type { KubernetesSite } from "./kubernetes-site";

const name = "pvc-7bb09e5d-ebd3-4b13-9ea2-67f25ae8b1c8";
export const PLUGIN_VOLUME = {
  name,
  volumeHandle: `eu-ams/ams-1/local-lvm/vm-9999-${name}`,
  claim: { namespace: "default", name: "data" },
};

/** With its StorageClass `local`. */
export async function addPluginVolume(site: KubernetesSite): Promise<void> {
  const { volumeHandle, claim } = PLUGIN_VOLUME;
  const driver = "csi.proxmox.sinextra.dev";
  await site.storage.createStorageClass({ body: { metadata: { name: "local" }, provisioner: driver, allowVolumeExpansion: true } });
  const proxmox = await site.proxmox("eu-ams");
  await proxmox.storage.allocate("ams-1", "local-lvm", { filename: `vm-9999-${name}`, vmid: 9999, sizeBytes: 1024 ** 3 });
  const inZone = (key: string, value: string) => ({ key: `topology.kubernetes.io/${key}`, operator: "In", values: [value] });
  await site.core.createPersistentVolume({
    body: {
      metadata: { name, annotations: { "pv.kubernetes.io/provisioned-by": driver } },
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        storageClassName: "local",
        persistentVolumeReclaimPolicy: "Delete",
        claimRef: { kind: "PersistentVolumeClaim", ...claim },
        csi: {
          driver,
          volumeHandle,
          fsType: "ext4",
          volumeAttributes: { storage: "local-lvm", backup: "0", iothread: "1", replicate: "0" },
        },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [inZone("region", "eu-ams"), inZone("zone", "ams-1")] }] } },
      },
    },
  });
  await site.core.createNamespacedPersistentVolumeClaim({
    namespace: "default",
    body: {
      metadata: claim,
      spec: { accessModes: ["ReadWriteOnce"], storageClassName: "local", volumeName: name, resources: { requests: { storage: "1Gi" } } },
    },
  });
}
