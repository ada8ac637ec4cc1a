/** The world each recorded flow began in. */
import type { Era, LayoutAcl, LayoutCluster, SimulatedLayout, SimulatorWorld } from "../../../src/simulator";

export interface FlowWorld {
  layout: SimulatedLayout;
  /** The node that is asked. */
  localNode: string;
  startMs: number;
  blockBytes: number;
  /** Calls by root that bring about what was there before the first step. */
  preparation?: { method: string; path: string; params: Record<string, unknown> }[];
  /** What the recorder did without recording it, before the numbered step. */
  unrecorded?: { before: number; method: string; path: string; params: Record<string, unknown> }[];
  /** Virtual time between preparation and first step; default one broadcast. */
  settleMs?: number;
  /** Time of the next broadcast of statistics, counted from right before a step. */
  nextBroadcast?: { before: number; inMs: number };
  /** What happened outside the API right before a step: a disk was filled, a lock was set by hand. */
  outside?: { before: number; act: (world: SimulatorWorld) => void | Promise<void> }[];
  /** Steps of which the recording keeps only some keys of the body: others are not compared. */
  partialBodies?: readonly number[];
  /** What a remark in the recording did to nodes. */
  remarks?: { pattern: RegExp; node: string; status: "online" | "offline" | "hanging" }[];
  /** `METHOD path` whose bodies describe the machine and are not compared. */
  ignoredBodies?: RegExp[];
  /** Compare workers' logs line by line too. */
  compareLogs?: boolean;
}

/** Which machine a flow was recorded on. */
const standalone: Record<Era, readonly string[]> = {
  "8.4": ["backup", "cluster-reads", "permissions", "permissions-minimal", "pools", "restore-cancel", "snapshot-ram", "storage", "tasks"],
  "9.2": ["permissions", "restore-cancel", "snapshot-ram"],
};
const machines: Record<Era, { alone: string; cluster: string; nodes: string[] }> = {
  "8.4": { alone: "pve1", cluster: "cc", nodes: ["cc-1", "cc-2"] },
  "9.2": { alone: "cd-1", cluster: "ca", nodes: ["ca-1", "ca-2"] },
};
/** Directory storages beside `local`. */
const storagesOfFlow: Record<string, string[]> = {
  failure: ["d1", "d2", "fast", "nas", "perm", "sh", "slow"],
  auth: [],
  "cluster-reads": [],
  "restore-cancel": ["rc"],
  storage: [],
  permissions: ["perm"],
  "permissions-minimal": ["perm"],
  migrate: ["d1", "d2"],
};
const memory = 25_276_514_304;
const firstMoment = Date.UTC(2026, 10, 22, 5, 30, 0);

/** The set-up of a flow. Unknown flows get one cluster with the storages `local`, `d1` and `d2`. */
export function flowWorld(era: Era, flow: string): FlowWorld {
  const machine = machines[era];
  const alone = standalone[era].includes(flow);
  const nodes = nodesOf(era, flow);
  const storages = storagesOfFlow[flow] ?? ["d1", "d2"];
  const backendIds = nodes.flatMap((node) => ["local", ...storages].map((storage) => `${node}:${storage}`));
  const cluster: LayoutCluster = {
    id: machine.cluster,
    era,
    clusterName: alone ? undefined : machine.cluster,
    nodes: nodes.map((name, index) => ({
      name,
      cores: 2,
      memoryBytes: memory,
      ip: alone && era === "8.4" ? "10.99.0.1" : `10.98.1.${index + 1}`,
    })),
    storages: ["local", ...storages].map((storage) => ({
      storage,
      type: "dir" as const,
      backend: Object.fromEntries(nodes.map((node) => [node, `${node}:${storage}`])),
      content:
        storage === "local"
          ? ["backup", "images", "iso", "rootdir", "snippets", "vztmpl"]
          : ["backup", "images", "import", "iso", "rootdir", "snippets", "vztmpl"],
      options: {
        path: storage === "local" ? "/var/lib/vz" : `/srv/${storage}`,
        ...(storage === "local" ? { "prune-backups": "keep-all=1" } : {}),
      },
    })),
    ...accessOf(era, flow),
  };
  return {
    layout: {
      clusters: [cluster],
      backends: backendIds.map((id) => ({ id, kind: "directory", totalBytes: 270_553_174_016, bytesPerSecond: 200e6 })),
    },
    localNode: nodes[0]!,
    startMs: firstMoment,
    // Disks in the recordings have tens of MiB.
    blockBytes: 64 * 1024,
    preparation: preparationOf(era, flow),
    unrecorded: unrecordedOf(era, flow),
    nextBroadcast: flow === "cluster-reads" ? { before: 111, inMs: era === "9.2" ? 2_950 : 7_950 } : undefined,
    remarks: flow === "failure" ? failures(nodes[1]!) : undefined,
    ignoredBodies: [/^GET \/nodes\/[^/]+\/status$/],
  };
}

function failures(node: string): FlowWorld["remarks"] {
  return [
    { pattern: /every pveproxy process of \S+ is now stopped/, node, status: "hanging" },
    { pattern: /every pvedaemon worker of this node is now stopped/, node, status: "online" },
    { pattern: /is being stopped from here on/, node, status: "offline" },
    { pattern: /is started again/, node, status: "online" },
  ];
}

function nodesOf(era: Era, flow: string): string[] {
  return standalone[era].includes(flow) ? [machines[era].alone] : machines[era].nodes;
}

function nodeOf(era: Era, flow: string): string {
  return nodesOf(era, flow)[0]!;
}

function unrecordedOf(era: Era, flow: string): FlowWorld["unrecorded"] {
  // 8 creates with tags where 9 refuses; the guest was taken away before the next try.
  const removed = (before: number) => (era === "8.4" ? [{ before, method: "DELETE", path: "/nodes/pve1/qemu/500", params: {} }] : []);
  if (flow === "cluster-reads")
    return [{ before: 1, method: "DELETE", path: `/nodes/${era === "8.4" ? "pve1" : "ca-1"}/qemu/100`, params: {} }];
  if (flow === "auth") return [{ before: 219, method: "POST", path: "/access/users/root@pam/token/rt", params: { privsep: 0 } }];
  if (flow === "permissions-minimal") {
    const role = (roleid: string, privs: string) => ({ before: 3, method: "PUT", path: `/access/roles/${roleid}`, params: { privs } });
    return [role("Pxpool", neededOnPool.join(",")), role("Pxstorage", "Datastore.AllocateSpace"), role("Pxnode", ""), ...removed(5)];
  }
  if (flow === "permissions") return removed(4);
  if (flow !== "pools") return undefined;
  // The pools with odd names, tried out in steps 5 to 7.
  const odd = ["a".repeat(50), ...(era === "8.4" ? ["-x", "1"] : [])];
  return odd.map((poolid) => ({ before: 16, method: "DELETE", path: `/pools?poolid=${poolid}`, params: {} }));
}

/** The account of the permission flows: roles on a pool, a storage, the bridges and a node. */
function provisioner(node: string): Pick<LayoutCluster, "users" | "tokens" | "roles" | "acl" | "pools"> {
  return {
    users: [{ userid: "prov@pve" }],
    tokens: [{ tokenid: "prov@pve!tk", privsep: false }],
    pools: ["tenant"],
    roles: {
      Pxbridge: ["SDN.Use"],
      Pxnode: ["Sys.Audit"],
      Pxpool: [...neededOnPool, "VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Snapshot.Rollback", "Pool.Allocate", "Pool.Audit"],
      Pxstorage: ["Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.Audit"],
    },
    acl: [
      { path: `/nodes/${node}`, role: "Pxnode", subject: "prov@pve" },
      { path: "/pool/tenant", role: "Pxpool", subject: "prov@pve" },
      { path: "/sdn/zones/localnetwork", role: "Pxbridge", subject: "prov@pve" },
      { path: "/storage/perm", role: "Pxstorage", subject: "prov@pve" },
    ],
  };
}

/** What remains on the pool in the flow `permissions-minimal`. */
const neededOnPool = [
  ...["VM.Allocate", "VM.Audit", "VM.Backup", "VM.Config.CPU", "VM.Config.Disk", "VM.Config.HWType", "VM.Config.Memory"],
  ...["VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt", "VM.Snapshot"],
];

function accessOf(era: Era, flow: string): Pick<LayoutCluster, "users" | "tokens" | "roles" | "acl" | "pools"> {
  const account = (name: string, acl: LayoutAcl[], roles: Record<string, string[]> = {}) => ({
    users: [{ userid: `${name}@pve`, password: `${name}-password` }],
    tokens: [{ tokenid: `${name}@pve!tk`, privsep: false }],
    roles,
    acl,
  });
  // The machine of the 9.2 recordings still had the account of an earlier flow.
  if (flow === "auth")
    return era === "9.2" ? { ...provisioner("ca-2"), users: [{ userid: "bob@nosuch" }, { userid: "prov@pve" }], tokens: [] } : {};
  if (flow.startsWith("permissions")) return provisioner(nodeOf(era, flow));
  if (flow === "failure") return { pools: ["tenant"] };
  if (flow === "pools" && era === "9.2") return { pools: ["tenant"] };
  if (flow === "tasks") return account("tsk", [{ path: "/vms", role: "PVEVMAdmin", subject: "tsk@pve" }]);
  return {};
}

function preparationOf(era: Era, flow: string): FlowWorld["preparation"] {
  const node = era === "8.4" ? "cc-1" : "ca-2";
  // A guest with the same id that was deleted not long ago: its statistics are still there.
  if (flow === "cluster-reads") {
    const path = `/nodes/${era === "8.4" ? "pve1" : "ca-1"}/qemu`;
    return [{ method: "POST", path, params: { vmid: 100, name: "authvm", memory: 64, kvm: 0 } }];
  }
  if (flow === "permissions-minimal" && era === "9.2") {
    return [{ method: "POST", path: "/nodes/ca-2/qemu", params: { vmid: 100, memory: 32 } }];
  }
  if (flow === "failure") {
    const [first, second] = nodesOf(era, flow);
    const create = (node: string | undefined, params: Record<string, unknown>) => ({ method: "POST", path: `/nodes/${node}/qemu`, params });
    return [create(first, { vmid: 420, memory: 32, kvm: 0, scsi0: "d1:0.03125" }), create(second, { vmid: 422, memory: 32, kvm: 0 })];
  }
  if (flow === "auth") return [{ method: "POST", path: `/nodes/${node}/qemu`, params: { vmid: 100, name: "authvm", memory: 32, kvm: 0 } }];
  return undefined;
}
