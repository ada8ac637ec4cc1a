import type { Caller } from "../call";
import { segment } from "../encoding";
import { isProxmoxError } from "../errors";
import { compact, nonEmptyOf, numberOf, type Row, textOf } from "../rows";
import type { BackupServerApi, Remote } from "./api";

export function remoteCalls(call: Caller): BackupServerApi["remotes"] {
  const path = (name: string): string => `/config/remote/${segment(name)}`;
  return {
    find: async (name, options) => {
      try {
        return remoteOf(name, await call.getRow(path(name), {}, options));
      } catch (error) {
        if (isProxmoxError(error, "NOT_FOUND")) return undefined;
        throw error;
      }
    },
    create: ({ name, host, port, authId, fingerprint, comment, password }, options) =>
      call.change("POST", "/config/remote", { name, host, port, "auth-id": authId, fingerprint, comment, password }, options),
    delete: async (name, options) => {
      try {
        await call.change("DELETE", path(name), {}, options);
      } catch (error) {
        if (!isProxmoxError(error, "NOT_FOUND")) throw error;
      }
    },
  };
}

function remoteOf(name: string, row: Row): Remote {
  return compact({
    name,
    host: textOf(row.host) ?? "",
    port: numberOf(row.port),
    authId: textOf(row["auth-id"]) ?? "",
    fingerprint: nonEmptyOf(row.fingerprint),
    comment: nonEmptyOf(row.comment),
  });
}
