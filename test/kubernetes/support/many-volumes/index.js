const { ResourcePool, ZonedPersistentVolume } = require("proxmox-federation");

/** All in one zone before the move; afterwards every other one in another zone, and the rest in another region. */
const before = { region: "eu-ams", zone: "ams-1" };
const after = [
  { region: "eu-ams", zone: "ams-2" },
  { region: "eu-fra", zone: "fra-1" },
];
const { VOLUMES, WORKLOADS, LAYOUT } = process.env;

const pool = new ResourcePool("kubernetes");
for (let index = 0; index < Number(VOLUMES); index++) {
  const name = `data-${String(index).padStart(3, "0")}`;
  const workload = `db-${String(index).padStart(3, "0")}`;
  new ZonedPersistentVolume(name, {
    pool,
    size: "1GiB",
    storageClass: "fast",
    ...(LAYOUT === "after" ? after[index % after.length] : before),
    claim: { namespace: "default", name },
    allowMove: LAYOUT === "after",
    ...(index < Number(WORKLOADS) ? { quiesce: { kind: "StatefulSet", namespace: "default", name: workload } } : {}),
  });
}
