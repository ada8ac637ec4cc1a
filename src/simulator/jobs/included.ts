/** Which guests and disks a backup job takes. */
import { drivesOf, isCdrom } from "../guests/drive";
import type { Call, ClusterState, GuestState } from "../kernel";
import { splitList } from "../parameters";
import { fail } from "../volumes/calls";
import type { JobOptions } from "./backup-jobs";

/** Numbers of the guests of a job; one that names guests names them even if they are gone. */
export function selectedVmids(cluster: ClusterState, job: JobOptions): number[] {
  const present = (vmid: number) => job.node === undefined || (cluster.guests[vmid]?.node ?? job.node) === job.node;
  if (job.pool !== undefined) return (cluster.pools[job.pool] ?? fail(`pool '${job.pool}' does not exist`)).vms.filter(present);
  if (job.vmid !== undefined) return splitList(job.vmid).map(Number).filter(present);
  if (job.all !== "1") return [];
  const excluded = splitList(job.exclude ?? "").map(Number);
  return Object.keys(cluster.guests)
    .map(Number)
    .filter((vmid) => !excluded.includes(vmid) && present(vmid));
}

export function listIncludedVolumes(call: Call, job: JobOptions): unknown {
  const vmids = selectedVmids(call.cluster, job).filter((vmid) => call.hasPrivilege(`/vms/${vmid}`, "VM.Audit"));
  return {
    children: vmids.map((vmid) => {
      const guest = call.cluster.guests[vmid];
      return guest ? guestNode(guest) : { id: vmid, type: "unknown", leaf: 1 };
    }),
  };
}

function guestNode(guest: GuestState): Record<string, unknown> {
  const children = drivesOf(guest.config)
    .filter((drive) => !isCdrom(drive))
    .map((drive) => {
      const usable = drive.key !== "efidisk0" || guest.config.bios === "ovmf";
      const included = usable && drive.options.backup !== "0";
      const reason = usable ? `backup=${included ? "yes" : "no"}` : "efidisk but no OMVF BIOS";
      return { id: `${guest.vmid}:${drive.key}`, name: drive.file, included: included ? 1 : 0, reason, leaf: 1 };
    });
  return { id: guest.vmid, type: "qemu", name: guest.config.name ?? null, children, leaf: children.length === 0 ? 1 : 0 };
}

export function listNotBackedUp(call: Call): unknown {
  const covered = new Set(Object.values(call.cluster.backupJobs).flatMap((job) => selectedVmids(call.cluster, job)));
  return Object.values(call.cluster.guests)
    .filter(({ vmid }) => !covered.has(vmid) && call.hasPrivilege(`/vms/${vmid}`, "VM.Audit"))
    .map(({ vmid, config }) => ({ vmid, type: "qemu", ...(config.name === undefined ? {} : { name: config.name }) }));
}
