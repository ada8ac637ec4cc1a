/**
 * Replication of a volume's disk to the other zones of its region, by jobs of Proxmox on the owner VM as the CSI plugin makes
 * them. Where a pod starts, there the plugin migrates the stopped owner first; Proxmox sends what has changed since the last
 * run, and the job leads back to where the owner was. So owner and jobs together are always in all of the zones.
 */
import { type GuestRef, type Pace, repeatAfterLostReply } from "../../migration";
import type { ReplicationJob } from "../../proxmox";
import { type Session, UserError } from "../session";
import type { VolumeSpec } from "./spec";
import { waitUntil } from "./waiting";

export type Replication = NonNullable<VolumeSpec["replicate"]>;

/** Each node looks once a minute, and runs one job after the other. */
const REMOVAL_TIMEOUT_MS = 15 * 60_000;
const COMMENT = "proxmox-federation: a volume of Kubernetes";

/** Zones that no job leads to. Pure. */
export function zonesWithoutReplica(zones: readonly string[], ownerNode: string, jobs: readonly ReplicationJob[]): string[] {
  return zones.filter((zone) => zone !== ownerNode && !jobs.some((job) => job.targetNode === zone && !job.disabled));
}

/** Makes the jobs that are missing. Safe to repeat; jobs that somebody has added stay. */
export function ensureReplication(owner: GuestRef, replication: Replication, pace: Pace): Promise<void> {
  return repeatAfterLostReply(pace, () => addMissingJobs(owner, replication));
}

async function addMissingJobs(owner: GuestRef, { zones, schedule }: Replication): Promise<void> {
  const jobs = await jobsOf(owner);
  const paused = jobs.find((job) => job.disabled && zones.includes(job.targetNode));
  if (paused)
    throw new UserError(
      `Replication job ${owner.vmid}-${paused.job} on ${owner.api.clusterId}, to ${paused.targetNode}, is disabled. Enable it, then run again.`,
    );
  const taken = new Set(jobs.map(({ job }) => job));
  for (const targetNode of zonesWithoutReplica(zones, owner.node, jobs)) {
    let job = 0;
    while (taken.has(job)) job++;
    taken.add(job);
    await owner.api.replication.create({ vmid: owner.vmid, job, targetNode, schedule, comment: COMMENT, disabled: false });
  }
}

/**
 * With the replicas, before the owner goes: destroyed with its jobs it would leave them behind on the other nodes. Safe to
 * repeat.
 */
export async function removeReplication({ api, vmid }: GuestRef, name: string, pace: Pace): Promise<void> {
  if (!(await api.replication.isReplicated(vmid))) return;
  pace.report(`${name}: removing its replicas`);
  for (const job of await jobsOf({ api, vmid })) await repeatAfterLostReply(pace, () => api.replication.remove(job));
  if (await waitUntil(async () => !(await api.replication.isReplicated(vmid)), REMOVAL_TIMEOUT_MS, pace)) return;
  throw new UserError(
    `The replicas of volume ${name} are still there ${REMOVAL_TIMEOUT_MS / 60_000} minutes after their removal was asked for (jobs of vm ${vmid} on ${api.clusterId}): one of their nodes may be down. Its disk is kept; run again when the jobs are gone.`,
  );
}

/** What a refresh says of it. One list serves all volumes of the run. */
export async function describeReplicationDrift(session: Session, owner: GuestRef, { zones }: Replication): Promise<string[]> {
  const { api, node, vmid } = owner;
  const all = await session.once(`replication ${api.clusterId}`, () => api.replication.list());
  const lacking = zonesWithoutReplica(
    zones,
    node,
    all.filter((job) => job.vmid === vmid),
  );
  return lacking.length === 0 ? [] : [`it is not replicated to ${lacking.join(" and ")}`];
}

async function jobsOf({ api, vmid }: Pick<GuestRef, "api" | "vmid">): Promise<ReplicationJob[]> {
  return (await api.replication.list()).filter((job) => job.vmid === vmid);
}
