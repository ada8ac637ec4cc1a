import { FormatError } from "./errors";

/** The parts of a UPID, `UPID:node:pid:pstart:starttime:type:id:user:`; a backup server's has a task number after pstart. */
export interface UpidParts {
  node: string;
  pid: number;
  /** Kernel's start tick of the worker process. */
  pstart: number;
  /** Backup servers only: their workers share one process. */
  task?: number;
  startTimeSeconds: number;
  /** `qmcreate`, `vzdump`, `imgdel`, … */
  type: string;
  /** vmid, volume or storage; may be empty. */
  id: string;
  /** `user@realm`, of a token `user@realm!name`. */
  user: string;
}

const pattern =
  /^UPID:([a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):(?:([0-9A-Fa-f]{8,16}):)?([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/;

export function isUpid(text: unknown): text is string {
  return typeof text === "string" && pattern.test(text);
}

/** Throws {@link FormatError}. */
export function parseUpid(text: string): UpidParts {
  const match = pattern.exec(text);
  if (match === null) throw new FormatError("UPID", text, "it has the form UPID:node:pid:pstart:starttime:type:id:user:");
  const hex = (part: number): number => Number.parseInt(match[part]!, 16);
  return {
    node: match[1]!,
    pid: hex(2),
    pstart: hex(3),
    ...(match[4] === undefined ? {} : { task: hex(4) }),
    startTimeSeconds: hex(5),
    type: match[6]!,
    id: match[7]!,
    user: match[8]!,
  };
}

/** The exact text Proxmox writes. */
export function formatUpid(parts: UpidParts): string {
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, "0");
  const { node, pid, pstart, task, startTimeSeconds, type, id, user } = parts;
  const numbers = [pid, pstart, ...(task === undefined ? [] : [task]), startTimeSeconds].map(hex).join(":");
  return `UPID:${node}:${numbers}:${type}:${id}:${user}:`;
}
