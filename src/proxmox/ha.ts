import type { HaResource, HaRule, ProxmoxApi } from "./api";
import type { Caller } from "./call";
import { segment } from "./encoding";
import { isProxmoxError } from "./errors";
import { compact, itemsOf, nonEmptyOf, numberOf, type Row, rowsOf, textOf } from "./rows";

/** Guests are named `vm:100`. Groups exist up to Proxmox VE 8, rules from 9 on. */
export function haCalls(call: Caller): ProxmoxApi["ha"] {
  return {
    async findResource(vmid, o) {
      const sid = `vm:${vmid}`;
      const row = rowsOf(await call.get("/cluster/ha/resources", { type: "vm" }, o)).find((candidate) => candidate.sid === sid);
      return row && resourceOf(vmid, row);
    },
    async addResource({ vmid, state, comment, group, maxRelocate, maxRestart, failback }, o) {
      const params = { sid: `vm:${vmid}`, state, comment, group, max_relocate: maxRelocate, max_restart: maxRestart, failback };
      await call.change("POST", "/cluster/ha/resources", params, o);
    },
    async setState(vmid, state, o) {
      await call.change("PUT", `/cluster/ha/resources/${segment(`vm:${vmid}`)}`, { state }, o);
    },
    async listRules(o) {
      try {
        return rowsOf(await call.get("/cluster/ha/rules", {}, o)).flatMap(ruleOf);
      } catch (error) {
        // Proxmox VE 8 does not have the path.
        if (isProxmoxError(error, "NOT_IMPLEMENTED")) return [];
        throw error;
      }
    },
    async setRuleMembers({ rule, type }, resources, o) {
      await call.change("PUT", `/cluster/ha/rules/${segment(rule)}`, { type, resources: resources.join(",") }, o);
    },
    async listGroups(o) {
      return rowsOf(await call.get("/cluster/ha/groups", {}, o)).flatMap((row) => nonEmptyOf(row.group) ?? []);
    },
  };
}

function resourceOf(vmid: number, row: Row): HaResource {
  const failback = row.failback;
  return compact<HaResource>({
    vmid,
    state: nonEmptyOf(row.state) ?? "started",
    comment: nonEmptyOf(row.comment),
    group: nonEmptyOf(row.group),
    maxRelocate: numberOf(row.max_relocate),
    maxRestart: numberOf(row.max_restart),
    failback: failback === undefined ? undefined : numberOf(failback) === 1 || failback === true,
  });
}

function ruleOf(row: Row): HaRule[] {
  const rule = nonEmptyOf(row.rule);
  if (rule === undefined) return [];
  return [{ rule, type: textOf(row.type) ?? "", resources: itemsOf(row.resources) }];
}
