/** Replicas that balance out and one database that needs nearly a whole node: placed together, so that room is left for it. */
import { FederatedDeployment, ResourcePool } from "proxmox-federation";

const production = new ResourcePool("production-pool");

const replica = {
  cores: 2,
  memory: "8GiB",
  disks: [{ size: "16GiB", storageClass: "fast", discard: true }],
  networks: [{ network: "lan" }],
  image: "debian-12",
  pin: { cluster: "worldstream-prod" },
};

const shop = new FederatedDeployment("shop", {
  pool: production,
  vms: {
    "api-1": replica,
    "api-2": replica,
    "api-3": replica,
    warehouse: { ...replica, cores: 16, memory: "215GiB" },
  },
});

/** `cluster/node` by name. */
export const placements = shop.placements;
