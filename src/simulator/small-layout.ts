/** Two small clusters that share an NFS export and a backup server: enough for most tests. */
import type { LayoutCluster, LayoutStorage, SimulatedLayout } from "./layout";
import { type ProvisionerOptions, provisionerAcl, provisionerRoles } from "./provisioner";
import type { Era } from "./state";

/** The token both clusters know. */
export const smallLayoutToken = "federation@pve!provisioner";

/** Cluster `ams` (9.2, nodes `ams-1`, `ams-2`) and cluster `fra` (8.4, node `fra-1`). */
export function smallLayout(options: ProvisionerOptions = {}): SimulatedLayout {
  const image = { volname: "import/debian-13.qcow2", sizeBytes: 2 * 1024 ** 3 };
  const local = (node: string) => [
    { id: `${node}-local`, kind: "directory" as const, images: [image] },
    { id: `${node}-nvme`, kind: "block" as const, bytesPerSecond: 1e9 },
  ];
  return {
    clusters: [cluster("ams", "9.2", ["ams-1", "ams-2"], "fra", options), cluster("fra", "8.4", ["fra-1"], "ams", options)],
    backends: [
      ...["ams-1", "ams-2", "fra-1"].flatMap(local),
      { id: "nfs", kind: "directory", bytesPerSecond: 200e6 },
      { id: "pbs", kind: "pbs", totalBytes: 4 * 1024 ** 4, bytesPerSecond: 200e6 },
    ],
  };
}

function cluster(id: string, era: Era, nodes: string[], other: string, options: ProvisionerOptions): LayoutCluster {
  const perNode = (suffix: string) => Object.fromEntries(nodes.map((node) => [node, `${node}-${suffix}`]));
  const pbs = { server: "pbs.simulated.invalid", datastore: "main" };
  const storages: LayoutStorage[] = [
    { storage: "local", type: "dir", backend: perNode("local"), options: { path: "/var/lib/vz" } },
    { storage: "nvme", type: "lvmthin", backend: perNode("nvme"), options: { vgname: "pve", thinpool: "data" } },
    {
      storage: "nas",
      type: "nfs",
      backend: "nfs",
      content: ["backup", "iso"],
      options: { server: "nas.simulated.invalid", export: "/export", path: "/mnt/pve/nas" },
    },
    { storage: "pbs", type: "pbs", backend: "pbs", options: { ...pbs, namespace: id } },
    // The same datastore with the other cluster's namespace: how one cluster restores what the other backed up.
    { storage: `pbs-${other}`, type: "pbs", backend: "pbs", options: { ...pbs, namespace: other } },
  ];
  const userid = smallLayoutToken.split("!")[0] ?? "";
  return {
    id,
    era,
    nodes: nodes.map((name) => ({ name })),
    storages,
    pools: ["federation"],
    roles: provisionerRoles(era),
    tokens: [{ tokenid: smallLayoutToken }],
    acl: provisionerAcl(
      userid,
      storages.map((storage) => storage.storage),
      options,
    ),
    uplinkBytesPerSecond: 125e6,
  };
}
