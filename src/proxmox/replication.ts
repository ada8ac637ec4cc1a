import type { ProxmoxApi, ReplicationJob } from "./api";
import type { Caller } from "./call";
import { booleanOf, compact, nonEmptyOf, numberOf, rowsOf, textOf } from "./rows";

/** Replication of a guest's disks to other nodes of its cluster. */
export function replicationCalls(call: Caller): ProxmoxApi["replication"] {
  return {
    async list(o) {
      return rowsOf(await call.get("/cluster/replication", {}, o)).flatMap((row) => {
        const vmid = numberOf(row.guest);
        const job = numberOf(row.jobnum);
        // A job that is being removed is none any more.
        if (vmid === undefined || job === undefined || nonEmptyOf(row.remove_job) !== undefined) return [];
        return compact<ReplicationJob>({
          vmid,
          job,
          targetNode: textOf(row.target) ?? "",
          schedule: nonEmptyOf(row.schedule),
          rateMBps: numberOf(row.rate),
          comment: nonEmptyOf(row.comment),
          disabled: booleanOf(row.disable),
        });
      });
    },
    async create({ vmid, job, targetNode, schedule, rateMBps, comment, disabled }, o) {
      const params = { id: `${vmid}-${job}`, type: "local", target: targetNode, schedule, rate: rateMBps, comment };
      await call.change("POST", "/cluster/replication", { ...params, disable: disabled ? true : undefined }, o);
    },
  };
}
