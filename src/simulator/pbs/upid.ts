/** `UPID:node:pid:pstart:task:starttime:type:id:user:` as a Proxmox Backup Server writes it: one number more than Proxmox VE. */

export interface PbsUpid {
  node: string;
  pid: number;
  pstart: number;
  task: number;
  startSeconds: number;
  type: string;
  /** Unescaped; absent for workers without one. */
  id?: string;
  authid: string;
}

const pattern = /^UPID:([^:]+):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8,16}):([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/;

export function formatPbsUpid(upid: PbsUpid): string {
  const numbers = [upid.pid, upid.pstart, upid.task, upid.startSeconds].map((value) => value.toString(16).toUpperCase().padStart(8, "0"));
  return `UPID:${upid.node}:${numbers.join(":")}:${upid.type}:${escapeId(upid.id ?? "")}:${upid.authid}:`;
}

/** `undefined` when the text is no UPID. */
export function parsePbsUpid(text: string): PbsUpid | undefined {
  const [whole, node = "", pid = "", pstart = "", task = "", start = "", type = "", id = "", authid = ""] = pattern.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const number = (hex: string) => Number.parseInt(hex, 16);
  return {
    node,
    pid: number(pid),
    pstart: number(pstart),
    task: number(task),
    startSeconds: number(start),
    type,
    ...(id === "" ? {} : { id: unescapeId(id) }),
    authid,
  };
}

/** As systemd escapes unit names: a slash becomes a dash, everything special `\x…`. */
function escapeId(id: string): string {
  return [...id]
    .map((char, index) => {
      if (char === "/") return "-";
      if (/[A-Za-z0-9_]/.test(char) || (char === "." && index > 0)) return char;
      return [...Buffer.from(char)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
    })
    .join("");
}

function unescapeId(text: string): string {
  const bytes = text
    .replaceAll("-", "/")
    .replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
