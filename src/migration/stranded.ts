/**
 * What a create, or a restore from a Proxmox Backup Server, leaves when its worker is killed on the node: a guest under the lock
 * `create`, which no API token can take away, with disks that nothing names. (A restore from a file leaves no lock.) It cannot
 * start, and the next attempt takes another vmid.
 */
import { type Identity, type StrandedGuest, sameIdentity } from "./mark";
import type { MarkedGuest } from "./marked-guest";
import { findActiveTask, type GuestRef } from "./operations";
import { findUnnamedVolumes, isBareRestore } from "./restore-wreck";

/** Whether nobody works on it any more. It carries our mark, or is bare, in our pool, and under a vmid that our journal names. */
export async function isStranded(guest: MarkedGuest, identity: Identity, at: { pool?: string; expectedPool: string }): Promise<boolean> {
  const { config, ref, mark } = guest;
  if (config.values.lock !== "create") return false;
  const ours = mark ? sameIdentity(mark, identity) : isBareRestore(config) && at.pool === at.expectedPool;
  return ours && (await findActiveTask(ref, "qmrestore")) === undefined && (await findActiveTask(ref, "qmcreate")) === undefined;
}

/** How the last create or restore of the guest ended when its worker was killed. */
const KILLED = "unexpected status";

/**
 * Who has started the create or restore that has left this guest under the lock `create`, when its worker was killed. The guest
 * says of itself neither whose it is nor what it was to be, and a stranger's tasks show only to who may see them.
 * @returns as tasks name users: `iac@pve!token`
 */
export async function findKilledCreate({ api, node, vmid }: GuestRef): Promise<string | undefined> {
  const tasks = (await api.tasks.list(node, { vmid, source: "all" })).filter(({ type }) => type === "qmcreate" || type === "qmrestore");
  const [last] = tasks.sort((a, b) => b.startTimeSeconds - a.startTimeSeconds);
  return last?.exitStatus === KILLED ? last.user : undefined;
}

/** With the disks that go by no command on the guest, since its configuration does not name them. */
export async function strandedAt(guest: GuestRef): Promise<StrandedGuest> {
  const volumes = await findUnnamedVolumes(guest);
  return { cluster: guest.api.clusterId, node: guest.node, vmid: guest.vmid, ...(volumes.length > 0 ? { volumes } : {}) };
}

export function describeStranded(guest: StrandedGuest): string {
  const { cluster, node, vmid } = guest;
  return `vm ${vmid} on ${cluster}/${node} is what a killed create or restore has left: stopped, locked (create), and removed by no API token. Its disks take room until an administrator runs "${removalCommand(guest)}" on node ${node}`;
}

export function removalCommand({ vmid, volumes = [] }: Pick<StrandedGuest, "vmid" | "volumes">): string {
  return [`qm unlock ${vmid}`, `qm destroy ${vmid}`, ...volumes.map((volid) => `pvesm free ${volid}`)].join(" && ");
}
