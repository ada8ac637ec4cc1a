import type { Pool, ProxmoxApi } from "./api";
import type { Caller } from "./call";
import { isProxmoxError } from "./errors";
import { compact, isRow, nonEmptyOf, numberOf, type Row, rowsOf, textOf } from "./rows";

/** `/pools?poolid=` throughout: `/pools/{id}` is deprecated and cannot name a nested pool. */
export function poolCalls(call: Caller): ProxmoxApi["pools"] {
  return {
    async find(pool, o) {
      try {
        const data = await call.get("/pools", { poolid: pool }, o);
        const row = isRow(data) ? data : rowsOf(data).find((candidate) => candidate.poolid === pool);
        return row === undefined ? undefined : poolOf(pool, row);
      } catch (error) {
        if (isProxmoxError(error, "NOT_FOUND") && error.what === "pool") return undefined;
        throw error;
      }
    },
    async create(pool, comment, o) {
      await call.change("POST", "/pools", { poolid: pool, comment }, o);
    },
    async setComment(pool, comment, o) {
      await call.change("PUT", "/pools", { poolid: pool, comment }, o);
    },
    async addGuest(pool, vmid, { allowMove, ...o } = {}) {
      await call.change("PUT", "/pools", { poolid: pool, vms: vmid, "allow-move": allowMove === true ? true : undefined }, o);
    },
    async delete(pool, o) {
      await call.change("DELETE", "/pools", { poolid: pool }, o);
    },
  };
}

function poolOf(pool: string, row: Row): Pool {
  const members = rowsOf(row.members);
  return compact<Pool>({
    pool,
    comment: nonEmptyOf(row.comment),
    members: members.flatMap((member) => {
      const vmid = numberOf(member.vmid);
      return vmid === undefined ? [] : [{ kind: "guest" as const, vmid, node: textOf(member.node) ?? "" }];
    }),
    storages: members.filter((member) => member.type === "storage").map((member) => textOf(member.storage) ?? ""),
  });
}
