/** Indexes: what lies below a path. */
import { node } from "../fields";
import type { Route } from "../kernel";
import type { Era } from "../state";

const common = ["cluster", "nodes", "storage", "access", "pools"];

const clusterChildren = [
  "acme",
  "backup",
  "backup-info",
  "ceph",
  "config",
  "firewall",
  "ha",
  "jobs",
  "log",
  "mapping",
  "metrics",
  "nextid",
  "notifications",
  "options",
  "replication",
  "resources",
  "sdn",
  "status",
  "tasks",
];

const accessChildren = ["users", "groups", "roles", "acl", "domains", "openid", "tfa", "ticket", "password"];

const nodeChildren = [
  "aplinfo",
  "apt",
  "capabilities",
  "ceph",
  "certificates",
  "config",
  "disks",
  "dns",
  "firewall",
  "hardware",
  "hosts",
  "journal",
  "lxc",
  "migrateall",
  "netstat",
  "network",
  "qemu",
  "query-url-metadata",
  "replication",
  "report",
  "rrd",
  "rrddata",
  "scan",
  "sdn",
  "services",
  "spiceshell",
  "startall",
  "status",
  "stopall",
  "storage",
  "subscription",
  "suspendall",
  "syslog",
  "tasks",
  "termproxy",
  "time",
  "version",
  "vncshell",
  "vzdump",
  "wakeonlan",
];

/** Only names: an index lists what Proxmox has, also where the simulator answers 501. */
export function indexRoutes(era: Era): Route[] {
  const newer = (names: readonly string[]) => (era === "9.2" ? names : []);
  const rows = (names: readonly string[]) => [...names].sort().map((name) => ({ name }));
  return [
    { method: "GET", path: "/", parameters: {}, handler: () => ["version", ...common].map((subdir) => ({ subdir })) },
    { method: "GET", path: "/access", parameters: {}, handler: () => accessChildren.map((subdir) => ({ subdir })) },
    { method: "GET", path: "/cluster", parameters: {}, handler: () => rows([...clusterChildren, ...newer(["bulk-action", "qemu"])]) },
    {
      method: "GET",
      path: "/nodes/{node}",
      // Answered by whichever node was asked, even for a node that does not exist.
      onNode: false,
      parameters: { node: { ...node, format: undefined } },
      handler: () => rows([...nodeChildren, ...newer(["query-oci-repo-tags"])]),
    },
  ];
}
