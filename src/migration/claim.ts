/**
 * Taking a vmid. Proxmox claims it in the create call itself, cluster-wide; `nextid` reserves nothing (live findings
 * 31, 32). So: try, and on "already exists" look whose it is.
 */
import type { ApiParams, GuestConfig, ProxmoxApi } from "../proxmox";
import { AlreadyExistsError, OutcomeUnknownError, TaskFailedError } from "../proxmox";
import { findActiveTask, type GuestRef, type Pace, waitForTask, whileFileLocked } from "./operations";
import { describeStranded, strandedAt } from "./stranded";

export interface ClaimSpec {
  api: ProxmoxApi;
  node: string;
  /** Tried first: restoring to the same vmid needs no further right on the archive (live finding 3). */
  preferredVmid?: number;
  vmidRange?: { first: number; last: number };
  /** Configuration of the new guest, without tags: PVE 9.2 refuses them from a token whose rights come from the pool. */
  params: ApiParams;
  /** Recognises a guest that an earlier, interrupted run of ours has made. */
  isOurs: (config: GuestConfig) => boolean;
}

const MOST_ATTEMPTS = 50;
const MOST_LOOKS = 5;

/** Creates the guest under a free vmid, or finds the one that an interrupted run has created. */
export async function claimGuest(spec: ClaimSpec, pace: Pace): Promise<GuestRef> {
  const taken = new Set<number>();
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const vmid = await nextCandidate(spec, taken);
    const claimed = await tryVmid(spec, vmid, pace);
    if (claimed) return claimed;
    taken.add(vmid);
  }
  throw new Error(
    `No free vmid on cluster ${spec.api.clusterId}: ${MOST_ATTEMPTS} were taken one after the other. Run again, or give the cluster a vmid_range of its own.`,
  );
}

async function nextCandidate(spec: ClaimSpec, taken: ReadonlySet<number>): Promise<number> {
  const { preferredVmid, vmidRange } = spec;
  if (preferredVmid !== undefined && !taken.has(preferredVmid)) return preferredVmid;
  if (!vmidRange) {
    const next = await spec.api.getNextVmid();
    // `nextid` may lag behind a create of a moment ago on another node.
    return taken.has(next) ? Math.max(...taken) + 1 : next;
  }
  const used = new Set((await spec.api.listResources()).flatMap((row) => (row.kind === "guest" ? [row.vmid] : [])));
  for (let vmid = vmidRange.first; vmid <= vmidRange.last; vmid++) if (!used.has(vmid) && !taken.has(vmid)) return vmid;
  throw new Error(
    `Cluster ${spec.api.clusterId} has no free vmid from ${vmidRange.first} to ${vmidRange.last}: widen clusters[].vmid_range or remove guests.`,
  );
}

/** The claimed guest; `undefined` when the vmid belongs to somebody else. */
async function tryVmid(spec: ClaimSpec, vmid: number, pace: Pace): Promise<GuestRef | undefined> {
  // A repeated claim of the same vmid cannot make a second guest: the loser gets "already exists".
  let replyLost = false;
  for (let attempt = 1; ; attempt++) {
    try {
      const upid = await whileFileLocked(pace, () => spec.api.qemu.create(spec.node, { ...spec.params, vmid }));
      await waitForTask(spec.api, upid, {}, pace);
      return { api: spec.api, node: spec.node, vmid };
    } catch (error) {
      if (error instanceof TaskFailedError) throw await withWreck(error, { api: spec.api, node: spec.node, vmid });
      if (!(error instanceof AlreadyExistsError || error instanceof OutcomeUnknownError)) throw error;
      const found = await findGuest(spec.api, vmid);
      if (found) return (await isOursWhenDone(spec, found, pace)) ? found : undefined;
      replyLost ||= error instanceof OutcomeUnknownError;
      // A guest that exists and is not listed belongs to a pool our token does not see; our own one while it is created too.
      if (error instanceof AlreadyExistsError && (!replyLost || attempt >= MOST_LOOKS)) return undefined;
      if (attempt >= MOST_LOOKS) throw error;
      await pace.sleep(1_000 * attempt);
    }
  }
}

/** A worker that fails removes what it has begun, a killed one leaves it locked: the next attempt takes another vmid. */
async function withWreck(cause: TaskFailedError, guest: GuestRef): Promise<Error> {
  const found = await findGuest(guest.api, guest.vmid);
  const config = found && (await found.api.qemu.findConfig(found.node, found.vmid));
  if (config?.values.lock !== "create") return cause;
  return new Error(`${cause.message}\n${describeStranded(await strandedAt(guest))}.`, { cause });
}

async function isOursWhenDone(spec: ClaimSpec, guest: GuestRef, pace: Pace): Promise<boolean> {
  const upid = await findActiveTask(guest, "qmcreate");
  if (upid) await waitForTask(guest.api, upid, {}, pace);
  const config = await guest.api.qemu.findConfig(guest.node, guest.vmid);
  return config !== undefined && spec.isOurs(config);
}

/** Where a vmid is in a cluster; the list is current about which guests exist. */
export async function findGuest(api: ProxmoxApi, vmid: number): Promise<(GuestRef & { pool?: string }) | undefined> {
  const row = (await api.listResources()).find((candidate) => candidate.kind === "guest" && candidate.vmid === vmid);
  return row?.kind === "guest" ? { api, node: row.node, vmid, pool: row.pool } : undefined;
}
