import type { CallOptions } from "../api";
import type { Caller } from "../call";
import { segment } from "../encoding";
import { isProxmoxError } from "../errors";
import { compact, nonEmptyOf, numberOf, rowsOf, textOf } from "../rows";
import type { BackupServerApi } from "./api";

export function datastoreCalls(call: Caller): BackupServerApi["datastores"] {
  const path = (datastore: string): string => `/admin/datastore/${segment(datastore)}`;

  async function listNamespaces(datastore: string, options?: CallOptions): Promise<string[]> {
    const rows = rowsOf(await call.get(`${path(datastore)}/namespace`, {}, options));
    return rows.flatMap(({ ns }) => nonEmptyOf(ns) ?? []);
  }

  return {
    list: async (options) => {
      const rows = rowsOf(await call.get("/admin/datastore", {}, options));
      return rows.flatMap(({ store, comment }) => {
        const name = nonEmptyOf(store);
        return name === undefined ? [] : [compact({ name, comment: nonEmptyOf(comment) })];
      });
    },
    getUsage: async (datastore, options) => {
      const { total, used, avail } = await call.getRow(`${path(datastore)}/status`, {}, options);
      return { totalBytes: numberOf(total) ?? 0, usedBytes: numberOf(used) ?? 0, availableBytes: numberOf(avail) ?? 0 };
    },
    listNamespaces,
    ensureNamespace: async ({ datastore, namespace }, options) => {
      const parts = namespace.split("/").filter((part) => part !== "");
      const present = new Set(parts.length === 0 ? [] : await listNamespaces(datastore, options));
      for (const [index, name] of parts.entries()) {
        const parent = parts.slice(0, index).join("/");
        if (present.has(parts.slice(0, index + 1).join("/"))) continue;
        try {
          await call.change("POST", `${path(datastore)}/namespace`, { name, parent: parent || undefined }, options);
        } catch (error) {
          // Somebody else was faster, or our own lost first attempt.
          if (!isProxmoxError(error, "ALREADY_EXISTS")) throw error;
        }
      }
    },
  };
}

export function versionOf(row: Record<string, unknown>): { version: string; release: string; major: number; minor: number } {
  const version = textOf(row.version) ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return { version, release: textOf(row.release) ?? "", major, minor };
}
