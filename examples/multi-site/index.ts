/** Three sites, one program: where each VM runs is decided in the preview, from federation.yaml and the live clusters. */
import { FederatedVM, ProxmoxDisk, ResourcePool } from "proxmox-federation";

const production = new ResourcePool("production-pool");
const development = new ResourcePool("development-pool");

// Two web servers that never share a node.
const web = ["web-1", "web-2"].map(
  (name) =>
    new FederatedVM(name, {
      pool: production,
      cores: 2,
      memory: "4GiB",
      disks: [{ size: "16GiB", storageClass: "fast", discard: true }],
      networks: [{ network: "lan" }],
      image: "debian-12",
      agent: true,
      tags: ["web"],
      antiAffinity: ["web"],
    }),
);

const database = new FederatedVM("db-1", {
  pool: production,
  cores: 4,
  memory: "16GiB",
  disks: [{ size: "20GiB", storageClass: "fast" }],
  networks: [{ network: "lan" }],
  image: "debian-12",
  agent: true,
  tags: ["database"],
});

// The data outlives the server it is plugged into, and follows it to another site.
const data = new ProxmoxDisk("db-data", { pool: production, size: "64GiB", storageClass: "fast", attachTo: database });

// Development never lands on the production cluster.
const sandbox = new FederatedVM("dev-1", {
  pool: development,
  cores: 2,
  memory: "4GiB",
  disks: [{ size: "16GiB" }],
  networks: [{ network: "lan" }],
  image: "debian-12",
  tags: ["dev"],
});

/** Where everything is, and why. */
export const placements = {
  "web-1": web[0].placement.why,
  "web-2": web[1].placement.why,
  "db-1": database.placement.why,
  "dev-1": sandbox.placement.why,
};
export const databaseDisk = data.volid;
