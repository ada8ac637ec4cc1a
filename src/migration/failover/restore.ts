/**
 * Restoring a guest whose cluster is lost. Nothing but the target is contacted. Safe to repeat: a claim, a restored guest and
 * what a killed restore has left are taken up.
 */
import type { ApiParams } from "../../proxmox";
import { showProgress } from "../archive";
import { claimGuest } from "../claim";
import { dataDrivesOf } from "../drives";
import { refuseForeignVolumes } from "../foreign-volumes";
import { carriesMark, type FailoverNote, formatDescription, type Identity, identityTag, type Mark } from "../mark";
import { type MarkedGuest, readMarkedGuest } from "../marked-guest";
import { type GuestRef, type Pace, putConfig, refuseForeignLock, runTask, waitForTask } from "../operations";
import { findOwnedGuests, waitForCreates } from "../owned-guests";
import { TransferProgress } from "../progress";
import { freeLeftovers, isBareRestore, isRestoreWreck } from "../restore-wreck";
import { describeStranded, isStranded, strandedAt } from "../stranded";
import { differencesAfterRestore } from "../verify";
import { parseArchivedConfig } from "./archived-config";

const RESTORE_TIMEOUT_MS = 72 * 3600 * 1000;

export interface FailoverRequest {
  identity: Identity;
  name: string;
  generation: number;
  note: FailoverNote;
  target: { api: GuestRef["api"]; node: string; pool: string; storage: string; vmidRange?: { first: number; last: number } };
  /** Description without the mark. */
  text: string;
  /** Beside the identity's. */
  tags?: readonly string[];
  /** Any free vmid instead of the backed-up guest's where that is free. */
  anyVmid?: boolean;
  /** Told of the vmid before anything is restored to it. */
  onClaimed?: (guest: GuestRef) => void;
}

/** The guest with the data of the backup, stopped, in phase `restored` or, where it was started already, `settled`. */
export async function restoreLostGuest(request: FailoverRequest, pace: Pace): Promise<MarkedGuest> {
  const { target, name, note } = request;
  const guest = (await findBegun(request, pace)) ?? (await claim(request, pace));
  request.onClaimed?.(guest.ref);
  if (guest.mark?.phase === "settled" || guest.mark?.phase === "restored") return guest;
  refuseForeignLock(guest.ref, guest.config);
  const held = dataDrivesOf(guest.config).map(({ slot }) => slot);
  if (held.length > 0)
    throw new Error(
      `vm ${guest.ref.vmid} on ${target.api.clusterId} was claimed for ${name} and holds ${held.join(", ")}: nothing is restored over it. Look at it, remove it by hand, then run again.`,
    );
  await refuseForeignVolumes(guest.ref);
  pace.report(`${name}: restoring ${note.archive} on ${target.api.clusterId}/${guest.ref.node}`);
  await restore(request, guest.ref, pace);
  const restored = await readMarkedGuest(guest.ref);
  if (!restored) throw new Error(`vm ${guest.ref.vmid} on ${target.api.clusterId} disappeared after its restore. Run again.`);
  await freeLeftovers(restored, pace);
  await verify(request, restored);
  return restored;
}

async function findBegun(request: FailoverRequest, pace: Pace): Promise<MarkedGuest | undefined> {
  const { target, identity } = request;
  await waitForCreates(target, pace);
  await waitForRestores(request, pace);
  const owned = (await findOwnedGuests(target.api, identity, pace)).find(({ mark }) => mark?.phase !== "retired");
  return owned ?? findWreck(request, pace);
}

/** Of a killed run: its outcome shows in the guest's configuration. Our token sees its own tasks only. */
async function waitForRestores({ target, note, name }: FailoverRequest, pace: Pace): Promise<void> {
  for (const task of await target.api.tasks.list(target.node, { typeFilter: "qmrestore", source: "active" })) {
    if (task.status !== "running" || task.type !== "qmrestore" || !(await names(target.api, task.upid, note.archive))) continue;
    pace.report(`${name}: a restore of ${note.archive} is still running, waiting for it`);
    await waitForTask(target.api, task.upid, { timeoutMs: RESTORE_TIMEOUT_MS }, pace).catch(() => undefined);
  }
}

/** A restore that failed has wiped the mark: an empty guest of our pool whose restore was of this very archive. */
async function findWreck({ target, note, identity, name }: FailoverRequest, pace: Pace): Promise<MarkedGuest | undefined> {
  const { api, pool } = target;
  for (const row of await api.listResources()) {
    if (row.kind !== "guest" || row.guestType !== "qemu" || row.pool !== pool || row.status === "running") continue;
    const guest = await readMarkedGuest({ api, node: row.node, vmid: row.vmid });
    if (!guest || !isBareRestore(guest.config) || !(await wasRestoredFrom(guest, note.archive))) continue;
    if (isRestoreWreck(guest, row.pool, pool)) return guest;
    // Of a killed worker, under a lock: the restore begins anew under another vmid.
    if (await isStranded(guest, identity, { pool: row.pool, expectedPool: pool }))
      pace.report(`warning: ${name}: ${describeStranded(await strandedAt(guest.ref))}.`);
  }
  return undefined;
}

async function wasRestoredFrom({ ref: { api, node, vmid } }: MarkedGuest, archive: string): Promise<boolean> {
  for (const task of await api.tasks.list(node, { vmid, typeFilter: "qmrestore", source: "all" }))
    if (task.type === "qmrestore" && (await names(api, task.upid, archive))) return true;
  return false;
}

/** The command of a restore is among the first lines of its log, with the archive's name in it. */
async function names(api: GuestRef["api"], upid: string, archive: string): Promise<boolean> {
  const name = archive.slice(archive.indexOf(":") + 1).replace(/^backup\//, "");
  return (await api.tasks.getLog(upid as Parameters<typeof api.tasks.getLog>[0], { limit: 50 })).some((line) => line.includes(name));
}

async function claim(request: FailoverRequest, pace: Pace): Promise<MarkedGuest> {
  const { target, identity, name, note, text } = request;
  pace.report(`${name}: claiming a vmid on ${target.api.clusterId}`);
  const ref = await claimGuest(
    {
      api: target.api,
      node: target.node,
      ...(request.anyVmid ? {} : { preferredVmid: note.from.vmid }),
      vmidRange: target.vmidRange,
      params: { name, memory: 16, pool: target.pool, description: formatDescription(text, markOf(request, "claimed")) },
      isOurs: ({ values }) => carriesMark(values.description, identity, ["claimed"]),
    },
    pace,
  );
  await putConfig(ref, { set: { tags: tagsFor(request) } }, pace);
  const guest = await readMarkedGuest(ref);
  if (!guest) throw new Error(`vm ${ref.vmid} on ${target.api.clusterId} disappeared right after it was claimed. Run again.`);
  return guest;
}

function tagsFor({ identity, tags = [] }: FailoverRequest): string {
  return [identityTag(identity), ...tags].join(";");
}

function markOf({ identity, generation, note }: FailoverRequest, phase: Mark["phase"]): Mark {
  return { ...identity, generation, phase, failover: note };
}

async function restore(request: FailoverRequest, ref: GuestRef, pace: Pace): Promise<void> {
  const { name, note, target, text } = request;
  const progress = new TransferProgress(`${name}: restoring`, pace.nowMs);
  const params: ApiParams & { vmid: number } = {
    vmid: ref.vmid,
    archive: note.archive,
    storage: target.storage,
    // Over our own claim, or over what is left of our own restore: neither holds data.
    force: 1,
    template: 0,
    onboot: 0,
    protection: 0,
    name,
    tags: tagsFor(request),
    description: formatDescription(text, markOf(request, "restored")),
  };
  await runTask(
    ref,
    {
      type: "qmrestore",
      timeoutMs: RESTORE_TIMEOUT_MS,
      isDone: async () => (await readMarkedGuest(ref))?.mark?.phase === "restored",
      onLog: (lines) => showProgress(pace, progress.read(lines)),
    },
    pace,
    () => ref.api.qemu.create(ref.node, params),
  );
}

async function verify({ note, name }: FailoverRequest, restored: MarkedGuest): Promise<void> {
  const { api, node, vmid } = restored.ref;
  const config = parseArchivedConfig(await api.backup.extractConfig(node, note.archive));
  const findings = differencesAfterRestore({ config }, restored);
  if (findings.length === 0) return;
  throw new Error(
    `vm ${vmid} on ${api.clusterId}, restored for ${name}, is not what ${note.archive} holds: ${findings.join("; ")}. It was not started. Remove it by hand, then run again.`,
  );
}
