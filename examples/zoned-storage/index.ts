/**
 * One Kubernetes cluster over two Proxmox clusters: its workers, and a volume in the zone of one of them. Which worker of
 * that zone has the disk attached is the CSI plugin's business; another zone or region is a decision of this program.
 */
import * as pulumi from "@pulumi/pulumi";
import { FederatedVM, ResourcePool, ZonedPersistentVolume } from "proxmox-federation";

const pool = new ResourcePool("kubernetes");

// Two workers in the first zone, one in the second, one in the other region.
const places = [
  { name: "worker-1", cluster: "amsterdam", node: "ams-1" },
  { name: "worker-2", cluster: "amsterdam", node: "ams-1" },
  { name: "worker-3", cluster: "amsterdam", node: "ams-2" },
  { name: "worker-4", cluster: "frankfurt", node: "fra-1" },
];
const workers = places.map(
  ({ name, cluster, node }) =>
    new FederatedVM(name, {
      pool,
      cores: 4,
      memory: "8GiB",
      disks: [{ size: "16GiB" }],
      networks: [{ network: "lan" }],
      pin: { cluster, node },
    }),
);

// Where the database lives: pulumi config set zone ams-2, or region eu-fra and zone fra-1, and then pulumi up.
const config = new pulumi.Config();
const database = new ZonedPersistentVolume("database", {
  pool,
  size: "8GiB",
  storageClass: "fast",
  region: config.get("region") ?? "eu-ams",
  zone: config.get("zone") ?? "ams-1",
  storageClassName: "proxmox-fast",
  claim: { namespace: "default", name: "database" },
  allowMove: config.getBoolean("allowMove") ?? false,
  quiesce: { kind: "StatefulSet", namespace: "default", name: "database" },
});

export const workerVmids = pulumi.all(workers.map((worker) => worker.vmid));
export const volumeHandle = database.volumeHandle;
export const persistentVolume = database.persistentVolume;
