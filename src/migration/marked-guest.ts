/** A guest of ours: its configuration, its mark, and writing the mark back. */
import type { GuestConfig } from "../proxmox";
import { formatDescription, isIdentityTag, type Mark, parseDescription } from "./mark";
import { type GuestRef, type Pace, putConfig } from "./operations";

/** Tag of both ends of a move under way: tells in one `/cluster/resources` call whose journal is to be read. */
export const MOVING_TAG = "fed-moving";

/** A tag of somebody else's may begin with `fed-` too. */
export function withoutOurTags(tags: readonly string[]): string[] {
  return tags.filter((tag) => !isIdentityTag(tag) && tag !== MOVING_TAG);
}

export interface MarkedGuest {
  ref: GuestRef;
  config: GuestConfig;
  /** Description without the mark. */
  text: string;
  mark?: Mark;
}

export async function readMarkedGuest(ref: GuestRef): Promise<MarkedGuest | undefined> {
  const config = await ref.api.qemu.findConfig(ref.node, ref.vmid);
  if (!config) return undefined;
  const { text, mark } = parseDescription(config.values.description);
  return { ref, config, text, ...(mark ? { mark: asSeenFrom(ref, mark) } : {}) };
}

/** A remote migration carries the mark along as it is: the guest that the journal leads to is not the one that moves away. */
function asSeenFrom({ api, vmid }: GuestRef, mark: Mark): Mark {
  const target = mark.phase === "moving" ? mark.move?.target : undefined;
  return target?.cluster === api.clusterId && target.vmid === vmid ? { ...mark, phase: "restored" } : mark;
}

export interface MarkChange {
  mark: Mark;
  /** Replaces the description's text. */
  text?: string;
  /** All tags of the guest. */
  tags?: string[];
  set?: Record<string, string | number>;
  remove?: string[];
}

/** Writes mark, tags and further keys in one request, so that they change together. */
export async function writeMark(guest: MarkedGuest, change: MarkChange, pace: Pace): Promise<MarkedGuest> {
  const text = change.text ?? guest.text;
  await putConfig(
    guest.ref,
    {
      set: {
        description: formatDescription(text, change.mark),
        ...(change.tags === undefined ? {} : { tags: change.tags.join(";") }),
        ...change.set,
      },
      remove: change.remove,
    },
    pace,
  );
  return { ...guest, text, mark: change.mark };
}

export function tagsOf(config: GuestConfig): string[] {
  return (config.values.tags ?? "").split(/[;, ]+/).filter((tag) => tag !== "");
}
