import type { ProxmoxApi } from "./api";
import type { Caller } from "./call";
import { segment } from "./encoding";
import { textOf } from "./rows";
import { isUpid } from "./upid";

export function backupCalls(call: Caller): ProxmoxApi["backup"] {
  return {
    async start(node, params, o) {
      const path = `/nodes/${segment(node)}/vzdump`;
      const data = await call.requester.request("POST", path, params, o);
      if (isUpid(data)) return data;
      // Nothing to do here: the guest is on another node. No task, no error, no archive.
      if (data === "OK") return undefined;
      throw call.unexpected("POST", path, 'a UPID or "OK"');
    },
    async extractConfig(node, volid, o) {
      const path = `/nodes/${segment(node)}/vzdump/extractconfig`;
      const config = textOf(await call.get(path, { volume: volid }, o));
      if (config === undefined) throw call.unexpected("GET", path, "a guest configuration");
      return config;
    },
  };
}
