/** What a cluster without quorum refuses, and how. Reads, login, stopping guests and volume work go on. */
import { listOf } from "./answers";
import { ApiError, type Call, type ClusterState, type Route } from "./kernel";

/** More than half of the nodes are online. A hanging node still votes: corosync runs, only the API does not. */
export function hasQuorum(cluster: ClusterState): boolean {
  const nodes = Object.values(cluster.nodes);
  return nodes.filter((node) => node.status !== "offline").length * 2 > nodes.length;
}

/** How long Proxmox tries for a cluster-wide file lock before it gives up. */
const clusterLockWaitMs = 9_900;

type Refusal =
  /** At once. */
  | { kind: "not-ready" }
  /** The config file cannot be written. */
  | { kind: "read-only" }
  /** The same, seen by a backup job, which goes on with the next guest. */
  | { kind: "failing-backup" }
  /** The same, seen by a worker. */
  | { kind: "failing-task"; type: string }
  /** After trying for a cluster-wide lock. */
  | { kind: "cluster-lock"; file: string; prefix?: string };

const notReady: Refusal = { kind: "not-ready" };
const userLock = (prefix: string): Refusal => ({ kind: "cluster-lock", file: "user_cfg", prefix });
const storageLock = (prefix: string): Refusal => ({ kind: "cluster-lock", file: "storage_cfg", prefix });

const refusals: Record<string, Refusal> = {
  "POST /nodes/{node}/qemu": notReady,
  "POST /nodes/{node}/qemu/{vmid}/clone": notReady,
  "POST /nodes/{node}/qemu/{vmid}/migrate": notReady,
  "POST /nodes/{node}/qemu/{vmid}/status/start": notReady,
  "POST /cluster/ha/resources": notReady,
  "PUT /nodes/{node}/qemu/{vmid}/config": { kind: "read-only" },
  "PUT /nodes/{node}/qemu/{vmid}/unlink": { kind: "read-only" },
  "POST /nodes/{node}/qemu/{vmid}/config": { kind: "failing-task", type: "qmconfig" },
  "PUT /nodes/{node}/qemu/{vmid}/resize": { kind: "failing-task", type: "resize" },
  "DELETE /nodes/{node}/qemu/{vmid}": { kind: "failing-task", type: "qmdestroy" },
  "POST /nodes/{node}/qemu/{vmid}/template": { kind: "failing-task", type: "qmtemplate" },
  "POST /nodes/{node}/vzdump": { kind: "failing-backup" },
  "POST /pools": userLock("create pool failed"),
  "PUT /pools": userLock("update pools failed"),
  "PUT /pools/{poolid}": userLock("update pools failed"),
  "DELETE /pools": userLock("delete pool failed"),
  "DELETE /pools/{poolid}": userLock("delete pool failed"),
  "POST /access/users": userLock("create user failed"),
  "PUT /access/users/{userid}": userLock("update user failed"),
  "DELETE /access/users/{userid}": userLock("delete user failed"),
  "POST /access/users/{userid}/token/{tokenid}": userLock("generating token failed"),
  "PUT /access/acl": userLock("ACL update failed"),
  "POST /access/roles": userLock("create role failed"),
  "POST /access/groups": userLock("create group failed"),
  "POST /storage": storageLock("create storage failed"),
  "PUT /storage/{storage}": storageLock("update storage failed"),
  "DELETE /storage/{storage}": storageLock("delete storage failed"),
  "POST /cluster/backup": { kind: "cluster-lock", file: "jobs_cfg" },
  "PUT /cluster/backup/{id}": { kind: "cluster-lock", file: "vzdump_cron" },
  "DELETE /cluster/backup/{id}": { kind: "cluster-lock", file: "vzdump_cron" },
  "PUT /cluster/options": { kind: "cluster-lock", file: "datacenter_cfg" },
};

/** Carries a call out as a cluster without quorum does; `undefined` when the call needs none. Throws the refusal. */
export async function refuseWithoutQuorum(route: Route, call: Call): Promise<{ data: unknown } | undefined> {
  const refusal = refusals[`${route.method} ${route.path}`];
  if (!refusal || hasQuorum(call.cluster)) return undefined;
  const vmid = call.pathVariables.vmid ?? "";
  const unwritable = (id = vmid) => {
    const file = `/etc/pve/nodes/${call.localNode}/qemu-server/${id}.conf.tmp.${call.cluster.nextPid}`;
    return new Error(`unable to open file '${file}' - Permission denied`);
  };
  switch (refusal.kind) {
    case "not-ready":
      throw new ApiError(500, "cluster not ready - no quorum?");
    case "read-only":
      throw unwritable();
    case "failing-task":
      return {
        data: call.startTask({ type: refusal.type, id: vmid }, async () => {
          throw unwritable();
        }),
      };
    case "failing-backup": {
      const guests = listOf(call, "vmid").filter((id) => call.cluster.guests[id]?.node === call.localNode);
      // A job without a guest of this node writes nothing.
      if (guests.length === 0) return undefined;
      return {
        data: call.startTask({ type: "vzdump", id: guests.length === 1 ? guests[0] : "" }, async (task) => {
          for (const id of guests) {
            task.log(`INFO: Starting Backup of VM ${id} (qemu)`);
            task.log(`ERROR: Backup of VM ${id} failed - ${unwritable(id).message}`);
          }
          task.log("INFO: Backup job finished with errors");
          throw new Error("job errors");
        }),
      };
    }
    case "cluster-lock":
      await call.world.clock.sleep(clusterLockWaitMs);
      throw new ApiError(500, `${refusal.prefix ? `${refusal.prefix}: ` : ""}cfs-lock 'file-${refusal.file}' error: no quorum!`);
  }
}
