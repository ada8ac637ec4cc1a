import type { CallOptions, ProxmoxApi, ReplicationJob } from "./api";
import type { Caller } from "./call";
import { booleanOf, compact, nonEmptyOf, numberOf, rowsOf, textOf } from "./rows";

/** Replication of a guest's disks to other nodes of its cluster. */
export function replicationCalls(call: Caller): ProxmoxApi["replication"] {
  const listRows = async (o: CallOptions | undefined) => rowsOf(await call.get("/cluster/replication", {}, o));
  return {
    async list(o) {
      return (await listRows(o)).flatMap((row) => {
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
    async remove({ vmid, job }, o) {
      if ((await listRows(o)).some((row) => row.id === `${vmid}-${job}` && nonEmptyOf(row.remove_job) === undefined))
        await call.change("DELETE", `/cluster/replication/${vmid}-${job}`, {}, o);
    },
    async isReplicated(vmid, o) {
      return (await listRows(o)).some((row) => numberOf(row.guest) === vmid);
    },
  };
}
