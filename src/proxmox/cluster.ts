import type { ClusterStatus, Permissions, ProxmoxApi } from "./api";
import type { Caller } from "./call";
import { segment } from "./encoding";
import { resourceRowsOf } from "./resources";
import { booleanOf, compact, isRow, nonEmptyOf, numberOf, rowsOf, textOf } from "./rows";
import { storageDefinitionsOf } from "./storage";

type ClusterCalls = Pick<
  ProxmoxApi,
  "getVersion" | "getClusterStatus" | "listResources" | "getNextVmid" | "getPermissions" | "listStorageDefinitions" | "listBridges"
>;

export function clusterCalls(call: Caller): ClusterCalls {
  return {
    async getVersion(o) {
      const row = await call.getRow("/version", {}, o);
      const version = textOf(row.version) ?? "";
      const match = /^(\d+)\.(\d+)/.exec(version);
      if (match === null) throw call.unexpected("GET", "/version", "a Proxmox VE version");
      return { version, release: textOf(row.release) ?? "", major: Number(match[1]), minor: Number(match[2]) };
    },
    async getClusterStatus(o) {
      return clusterStatusOf(await call.get("/cluster/status", {}, o));
    },
    async listResources(o) {
      return resourceRowsOf(await call.get("/cluster/resources", {}, o));
    },
    async getNextVmid(o) {
      const vmid = numberOf(await call.get("/cluster/nextid", {}, o));
      if (vmid === undefined) throw call.unexpected("GET", "/cluster/nextid", "a vmid");
      return vmid;
    },
    async getPermissions(o) {
      return permissionsOf(await call.getRow("/access/permissions", {}, o));
    },
    async listStorageDefinitions(o) {
      return storageDefinitionsOf(await call.get("/storage", {}, o));
    },
    async listBridges(node, o) {
      const rows = rowsOf(await call.get(`/nodes/${segment(node)}/network`, { type: "any_bridge" }, o));
      return rows.flatMap((row) => nonEmptyOf(row.iface) ?? []);
    },
  };
}

function clusterStatusOf(data: unknown): ClusterStatus {
  const rows = rowsOf(data);
  const cluster = rows.find((row) => row.type === "cluster");
  const nodes = rows
    .filter((row) => row.type === "node")
    .map((row) =>
      compact({ name: textOf(row.name) ?? "", online: booleanOf(row.online), local: booleanOf(row.local), ip: nonEmptyOf(row.ip) }),
    );
  // A standalone node has no cluster row, and needs no quorum.
  return compact({ name: nonEmptyOf(cluster?.name), quorate: cluster === undefined || booleanOf(cluster.quorate), nodes });
}

function permissionsOf(data: Record<string, unknown>): Permissions {
  return Object.fromEntries(
    Object.entries(data)
      .filter(([, privileges]) => isRow(privileges))
      .map(([path, privileges]) => [
        path,
        Object.fromEntries(
          Object.entries(privileges as Record<string, unknown>).map(([privilege, value]) => [privilege, booleanOf(value)]),
        ),
      ]),
  );
}
