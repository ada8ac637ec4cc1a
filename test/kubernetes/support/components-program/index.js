const { ResourcePool } = require("proxmox-federation");
const { ProxmoxCsi, ZonedStatefulSet } = require("proxmox-federation/kubernetes");

// Installing the plugin's chart is the Kubernetes plugin's business, and the stand-in has none.
const csi = new ProxmoxCsi("csi", { chart: false, storageClasses: { "proxmox-fast": { storageClass: "fast", ssd: true } } });
const pool = new ResourcePool("kubernetes");
/** Without ZONES placement decides. */
const zones = process.env.ZONES?.split(",").map((place) => {
  const [region, zone] = place.split("/");
  return { region, zone };
});
const container = { name: "main", image: "none.invalid/none", volumeMounts: [{ name: "data", mountPath: "/data" }] };
const database = new ZonedStatefulSet(
  "db",
  {
    replicas: Number(process.env.REPLICAS ?? 2),
    zones,
    pool,
    volumes: { data: { size: "1GiB", storageClass: "fast" } },
    template: { spec: { containers: [container], terminationGracePeriodSeconds: 0 } },
    allowMove: process.env.ALLOW_MOVE === "yes",
  },
  { dependsOn: csi },
);

exports.secretName = csi.secretName;
exports.storageClasses = csi.storageClasses;
exports.handles = Object.values(database.volumes).map(({ volumeHandle }) => volumeHandle);
