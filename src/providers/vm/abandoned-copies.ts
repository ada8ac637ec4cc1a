/**
 * What a migration between nodes leaves on its target when its worker is killed, by a loss of power for one: copies of disks
 * that no configuration names. A token may not free a volume by itself, so an administrator is told which they are.
 */
import type { GuestRef } from "../../migration";

/** How a task ends whose worker was killed; one that fails frees what it has copied. */
const KILLED = "unexpected status";
/** Each disk has a few lines before the first line of progress. */
const HEAD_LINES = 500;

/** @param formerNode where the guest was, and its tasks with it */
export async function findAbandonedCopies({ api, node, vmid }: GuestRef, formerNode: string): Promise<string[]> {
  const { values } = await api.qemu.getConfig(node, vmid);
  const named = new Set(Object.values(values).map((line) => line.split(",")[0]));
  const found = new Set<string>();
  const tasks = await api.tasks.list(formerNode, { vmid, typeFilter: "qmigrate", source: "all" });
  for (const { upid, type, exitStatus } of tasks) {
    if (type !== "qmigrate" || exitStatus !== KILLED) continue;
    for (const line of await api.tasks.getLog(upid, { limit: HEAD_LINES })) {
      const volid = /volume '.+' is '(.+)' on the target$/.exec(line)?.[1];
      if (volid !== undefined && !named.has(volid) && (await api.storage.findVolume(node, volid))) found.add(volid);
    }
  }
  return [...found];
}

export function describeAbandonedCopy(volid: string, { api, node, vmid }: GuestRef): string {
  return `volume ${volid} on ${api.clusterId}/${node} is what a killed migration of vm ${vmid} has left: no configuration names it, and no API token removes it. It takes room until an administrator runs "pvesm free ${volid}" on node ${node}`;
}
