/** `UPID:node:pid:pstart:starttime:type:id:user:`, numbers as upper-case hex. */
export interface Upid {
  node: string;
  pid: number;
  /** Start of the worker process in clock ticks (1/100 s) since boot. */
  pstart: number;
  startSeconds: number;
  type: string;
  id: string;
  user: string;
}

const pattern =
  /^UPID:([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/;

export function formatUpid(upid: Upid): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, "0");
  return `UPID:${upid.node}:${hex(upid.pid)}:${hex(upid.pstart)}:${hex(upid.startSeconds)}:${upid.type}:${upid.id}:${upid.user}:`;
}

/** `undefined` when the text is no UPID. */
export function parseUpid(text: string): Upid | undefined {
  const match = pattern.exec(text);
  if (!match) return undefined;
  const [, node = "", pid = "", pstart = "", start = "", type = "", id = "", user = ""] = match;
  return {
    node,
    pid: Number.parseInt(pid, 16),
    pstart: Number.parseInt(pstart, 16),
    startSeconds: Number.parseInt(start, 16),
    type,
    id,
    user,
  };
}
