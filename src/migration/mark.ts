/**
 * The mark: what a guest of ours carries in its description, so that the infrastructure itself
 * tells who owns it and how far a move has come. Proxmox keeps 8192 characters of description and
 * round-trips HTML comments (live findings 12); a backup may append a line for a disk that was left
 * out (finding 6), so the block is found anywhere in the text.
 */
import { createHash } from "node:crypto";
import type { MigrationMethod } from "../config";
import type { Membership } from "./membership";

export interface Identity {
  /** `name` of the federation. */
  federation: string;
  /** `project/stack` of the Pulumi program. */
  stack: string;
  kind: "vm" | "disk";
  /** Resource name in the program. */
  name: string;
}

/** Stack in the marks of guests and volumes that only the `federate` command has moved: nobody's who could miss them. */
export const FREE_STACK = "federate";

/**
 * `settled`: as declared. `claimed`: a vmid taken for a restore, holds nothing yet. `restored`: data is there, not
 * verified. `moving`: the source of a move under way. `retired`: the source of a finished move, waits for its deletion.
 */
export type Phase = "settled" | "claimed" | "restored" | "moving" | "retired";

export interface GuestAddress {
  cluster: string;
  vmid: number;
}

/**
 * How far a move has come. `warming`: data travels while the source serves. `restoring`: the target is being filled.
 * `finishing`: the target may have been started, from here there is no way back. `rolling-back`: the target was never
 * started and is being removed.
 */
export type MoveStep =
  | "preparing"
  | "warming"
  | "stopping"
  | "backing-up"
  | "backed-up"
  | "restoring"
  | "verified"
  | "finishing"
  | "rolling-back";

export interface StrandedGuest extends GuestAddress {
  node: string;
  /** Volids that its configuration does not name; absent: none, or a journal of an older version. */
  volumes?: string[];
}

/** A place on a backup server whose API we use. */
export interface SyncedPlace {
  /** Backup store with an API. */
  store: string;
  datastore: string;
  /** "" is the root. */
  namespace: string;
}

/** Journal of a move, kept on the source from the first step to the last. */
export interface MoveJournal extends Membership {
  /** Ties source, target, archive and log lines together. */
  id: string;
  /** How the data travels; absent in journals of versions that knew `backup-restore` only. */
  method?: MigrationMethod;
  /** `vmid` from the moment it is claimed: until then whatever has that id is somebody else's. */
  target: { cluster: string; node: string; vmid?: number };
  /** Storage on the source that the archive is written to; absent for methods without a store. */
  storage?: string;
  /** Where the archive is pulled to; absent: the target reads the source's store. */
  sync?: SyncedPlace;
  /** Where the server has been asked to verify an archive, and may still be at it. */
  verification?: SyncedPlace;
  /** Whether the source ran when the move began: it runs again after a rollback. */
  wasRunning: boolean;
  onBoot: boolean;
  /** A disk's owner VM is fenced for good, not only while it moves. */
  wasFenced: boolean;
  step: MoveStep;
  /** Volid on the source cluster. */
  archive?: string;
  archiveBytes?: number;
  restoreUpid?: string;
  /**
   * By live restore: from step `finishing` on the target may run on data that still arrive. Until they are all there its mark says
   * `claimed`.
   */
  live?: true;
  /** What killed restores have left at the target: locked, and removed by nobody but an administrator. */
  stranded?: StrandedGuest[];
  /** How long the source is kept after the move; for a source that the move itself cannot retire. */
  keepMs?: number;
  startedAt: string;
  /** When each step was first reached, in seconds since the epoch: what the record tells about the stages. */
  reached?: Partial<Record<MoveStep, number>>;
  /** Tasks of the move so far, on both clusters. */
  upids?: string[];
}

export interface FailoverNote {
  /** The copy on the cluster that was lost. */
  from: GuestAddress;
  /** Volid of the restored backup, as the new cluster sees it. */
  archive: string;
  /** When the backup was made (ISO time): what was written later is on the old copy only. */
  backedUpAt: string;
}

export interface Mark extends Identity {
  /** Grows with every create, by a failover to the seconds since the epoch: a delete for an older generation finds nothing to do. */
  generation: number;
  phase: Phase;
  move?: MoveJournal;
  /** On a target: where it comes from. */
  source?: GuestAddress;
  /** On a retired source: where it went. */
  successor?: GuestAddress;
  /** On a retired source: nobody destroys it earlier (ISO time). */
  keepUntil?: string;
  /** On a guest that was restored because its cluster was lost: an old copy exists there, and this is where it came from. */
  failover?: FailoverNote;
  /** On a retired copy: since when it is outdated, because its guest was failed over (ISO time). */
  outdatedSince?: string;
  /** On a guest that has moved: which move brought it, and when. */
  lastMove?: { id: string; at: string };
  /** What its program demands of its place, as the program's resource writes it; a text: why it is not here. Absent: an older version. */
  demands?: Readonly<Record<string, unknown>> | string;
  /** On an owner VM: the guest its disk is attached to. */
  attachedTo?: GuestAddress & { slot: string };
}

const OPEN = "<!-- proxmox-federation:v1 ";
const CLOSE = " -->";

/** Lines vzdump appends for a disk with `backup=0` (live finding 6). */
const SKIPPED_DISK_LINE = /^(?:ide|sata|scsi|virtio)\d+: .*backup=0.*$/;

/** What the user wrote, and the mark when there is one that can be read. */
export function parseDescription(description: string | undefined): { text: string; mark?: Mark } {
  const whole = description ?? "";
  // The last one is ours: an earlier one was copied into the text from another guest.
  const start = whole.lastIndexOf(OPEN);
  const end = start === -1 ? -1 : whole.indexOf(CLOSE, start);
  if (end === -1) return { text: whole };
  const mark = readMark(whole.slice(start + OPEN.length, end));
  const before = whole.slice(0, start).replace(/\n+$/, "");
  return { text: before + withoutSkippedDisks(whole.slice(end + CLOSE.length)), ...(mark ? { mark } : {}) };
}

export function formatDescription(text: string, mark: Mark): string {
  // `>` is escaped so that no value can close the comment.
  const block = `${OPEN}${JSON.stringify(mark).replaceAll(">", "\\u003e")}${CLOSE}`;
  return text.trimEnd() === "" ? block : `${text.trimEnd()}\n\n${block}`;
}

function readMark(json: string): Mark | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isMark(value) ? value : undefined;
  } catch (error) {
    // Somebody edited the block by hand: then the guest is not ours any more, which is the safe reading.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isMark(value: unknown): value is Mark {
  if (typeof value !== "object" || value === null) return false;
  const mark = value as Partial<Mark>;
  return (
    typeof mark.federation === "string" &&
    typeof mark.stack === "string" &&
    typeof mark.name === "string" &&
    typeof mark.generation === "number" &&
    typeof mark.phase === "string" &&
    (mark.kind === "vm" || mark.kind === "disk")
  );
}

function withoutSkippedDisks(text: string): string {
  return text
    .split("\n")
    .filter((line) => !SKIPPED_DISK_LINE.test(line))
    .join("\n");
}

export function sameIdentity(a: Identity, b: Identity): boolean {
  return a.federation === b.federation && a.stack === b.stack && a.kind === b.kind && a.name === b.name;
}

/** Whether a guest with that description is of that identity, and in one of those phases; absent: in any. */
export function carriesMark(description: string | undefined, identity: Identity, phases?: readonly Phase[]): boolean {
  const { mark } = parseDescription(description);
  return mark !== undefined && sameIdentity(mark, identity) && (phases?.includes(mark.phase) ?? true);
}

const TAG_PREFIX = "fed-";

/** The tag by which one `/cluster/resources` call finds the guest: tags are current at once (live finding 15). */
export function identityTag(identity: Identity): string {
  const text = [identity.federation, identity.stack, identity.kind, identity.name].join("\n");
  return TAG_PREFIX + createHash("sha256").update(text).digest("hex").slice(0, 16);
}

export function isIdentityTag(tag: string): boolean {
  return /^fed-[0-9a-f]{16}$/.test(tag);
}

export function describeIdentity(identity: Identity): string {
  return `${identity.kind === "vm" ? "VM" : "disk"} ${identity.name} of stack ${identity.stack}`;
}
