const { ResourcePool } = require("proxmox-federation");
const { MultiSiteCluster, ZonedStatefulSet } = require("proxmox-federation/kubernetes");

const pool = new ResourcePool("kubernetes");
const machine = { cores: 2, memory: "4GiB", disks: [{ size: "2GiB" }], networks: [{ network: "lan" }] };
const machines = new MultiSiteCluster("k8s", { pool, groups: { worker: { ...machine, count: 3 } } });
exports.nodes = Object.values(machines.nodes).map(({ identity }) => identity);

// Only once the machines have joined: volumes go where a worker is.
if (process.env.JOINED === "yes") {
  const container = { name: "main", image: "none.invalid/none", volumeMounts: [{ name: "data", mountPath: "/data" }] };
  new ZonedStatefulSet(
    "db",
    {
      replicas: 3,
      pool,
      volumes: { data: { size: "1GiB", storageClass: "fast" } },
      template: { spec: { containers: [container], terminationGracePeriodSeconds: 0 } },
    },
    { dependsOn: machines },
  );
}
