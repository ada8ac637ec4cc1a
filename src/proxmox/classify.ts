import type { MissingThing } from "./errors";

/**
 * What one of Proxmox's texts means. The only place where control flow hangs on its wording: an error is a
 * 500 with a text, whatever happened. Every pattern is anchored and as narrow as the recorded texts allow,
 * because a broad "does not exist" makes a live guest look deleted.
 */
export type Refusal =
  | { code: "NOT_FOUND"; what: MissingThing; id: string }
  | { code: "ALREADY_EXISTS" }
  | { code: "LOCKED"; lock?: string; lockFile: boolean }
  | { code: "PERMISSION"; aclPath?: string; privileges: string[]; anyOf: boolean }
  | { code: "PARAMETER" }
  | { code: "DIGEST" }
  | { code: "NO_QUORUM" }
  | { code: "NOT_RUNNING" }
  | { code: "ALREADY_RUNNING" }
  | { code: "AGENT_UNAVAILABLE" }
  | { code: "NOT_IMPLEMENTED" }
  | { code: "AUTHENTICATION" };

export interface Rule {
  pattern: RegExp;
  refusal: (match: RegExpExecArray) => Refusal;
}

/** The first group of the pattern names the thing. */
export const notFound =
  (what: MissingThing) =>
  (match: RegExpExecArray): Refusal => ({ code: "NOT_FOUND", what, id: match[1] ?? "" });
const always = (refusal: Refusal) => (): Refusal => refusal;

/** `pool '…' does not exist` comes as a failed permission check, for root too. */
function permission(match: RegExpExecArray): Refusal {
  const list = match[2] ?? "";
  return {
    code: "PERMISSION",
    aclPath: match[1],
    privileges: list.split(/[|,]\s*/).filter((privilege) => privilege !== ""),
    anyOf: list.includes("|"),
  };
}

/** Which part of a call says it: "create pool failed: …", "unable to create VM 100 - …". */
const prefix = "(?:[a-z]+ (?:pool|pools|storage) failed: |unable to (?:create|restore) VM \\d+ - )?";

const rules: Rule[] = [
  { pattern: /^Configuration file 'nodes\/[^/']+\/(?:qemu-server|lxc)\/(\d+)\.conf' does not exist$/, refusal: notFound("guest") },
  { pattern: /^unable to find configuration file for (?:VM|CT) (\d+)(?: on node '[^']+')?$/, refusal: notFound("guest") },
  { pattern: new RegExp(`^${prefix}storage '([^']+)' does not exist$`), refusal: notFound("storage") },
  { pattern: /^could not activate storage '([^']+)': storage '\1' does not exist\b/, refusal: notFound("storage") },
  { pattern: new RegExp(`^${prefix}volume '([^']+)' does not exist$`), refusal: notFound("volume") },
  { pattern: new RegExp(`^${prefix}pool '([^']+)' does not exist$`), refusal: notFound("pool") },
  { pattern: /^Permission check failed \(pool '([^']+)' does not exist\)$/, refusal: notFound("pool") },
  { pattern: /^hostname lookup '([^']+)' failed\b/, refusal: notFound("node") },
  { pattern: /^no such cluster node '([^']+)'$/, refusal: notFound("node") },

  { pattern: /(?:^|- )VM \d+ already exists(?: on node '[^']+')?$/, refusal: always({ code: "ALREADY_EXISTS" }) },
  { pattern: /^unable to (?:create|restore) VM \d+: config file already exists$/, refusal: always({ code: "ALREADY_EXISTS" }) },
  { pattern: /\bclose \(rename\) atomic file '[^']*' failed: File exists$/, refusal: always({ code: "ALREADY_EXISTS" }) },
  { pattern: /^disk image '[^']+' already exists$/, refusal: always({ code: "ALREADY_EXISTS" }) },
  { pattern: /^create [a-z ]+ failed: .* (?:already exists|already defined)$/, refusal: always({ code: "ALREADY_EXISTS" }) },
  { pattern: /^update pools failed: VM \d+ is already a pool member$/, refusal: always({ code: "ALREADY_EXISTS" }) },

  { pattern: /(?:^|- )(?:VM|CT) is locked \(([^)]+)\)$/, refusal: (match) => ({ code: "LOCKED", lock: match[1], lockFile: false }) },
  { pattern: /\bcan't lock file '[^']+' - got timeout$/, refusal: always({ code: "LOCKED", lockFile: true }) },
  { pattern: /\bcfs-lock '[^']+' error: got lock (?:request )?timeout$/, refusal: always({ code: "LOCKED", lockFile: true }) },

  { pattern: /\bcfs-lock '[^']+' error: no quorum!$/, refusal: always({ code: "NO_QUORUM" }) },
  { pattern: /^cluster not ready - no quorum\?$/, refusal: always({ code: "NO_QUORUM" }) },
  // The cluster file system is read-only without quorum; a daemon runs as root and meets no other EACCES there.
  { pattern: /^unable to open file '\/etc\/pve\/[^']+\.tmp\.\d+' - Permission denied$/, refusal: always({ code: "NO_QUORUM" }) },

  { pattern: /^checksum mismatch \(file change by other user\?\)$/, refusal: always({ code: "DIGEST" }) },
  { pattern: /\bdetected modified configuration - file changed by other user\?/, refusal: always({ code: "DIGEST" }) },

  { pattern: /^(?:VM|CT) \d+ (?:is )?not running$/, refusal: always({ code: "NOT_RUNNING" }) },
  { pattern: /^(?:VM|CT) \d+ (?:is )?already running$/, refusal: always({ code: "ALREADY_RUNNING" }) },
  { pattern: /^(?:QEMU guest agent is not running|No QEMU guest agent configured)$/, refusal: always({ code: "AGENT_UNAVAILABLE" }) },
  { pattern: /\bqmp command 'guest-[a-z-]+' failed - got timeout$/, refusal: always({ code: "AGENT_UNAVAILABLE" }) },

  { pattern: /(?:^|- )(?:403 )?Permission check failed \((\/[^\s,]*), ([^)]+)\)$/, refusal: permission },
  { pattern: /^(?:403 )?Permission check failed\b/, refusal: always({ code: "PERMISSION", privileges: [], anyOf: false }) },
  {
    pattern: /^only root can (?:set|modify) '[^']+' config(?: for .*)?$/,
    refusal: always({ code: "PERMISSION", privileges: [], anyOf: false }),
  },
  {
    pattern: /^Only root (?:may use this option|can pass arbitrary filesystem paths)\./,
    refusal: always({ code: "PERMISSION", privileges: [], anyOf: false }),
  },
  { pattern: /^missing privileges to access /, refusal: always({ code: "PERMISSION", privileges: [], anyOf: false }) },

  { pattern: /(?:^|: )(?:400 )?Parameter verification failed\./, refusal: always({ code: "PARAMETER" }) },
];

/** `undefined` for a text none of the rules knows. Looks at the first line and at the whole text. */
export function classifyText(text: string): Refusal | undefined {
  const whole = text.trim();
  const firstLine = whole.split("\n", 1)[0] ?? "";
  for (const { pattern, refusal } of rules) {
    const match = pattern.exec(firstLine) ?? pattern.exec(whole);
    if (match) return refusal(match);
  }
  return undefined;
}

/** A single parameter error that really says "that thing is not there". */
export function classifyParameterErrors(errors: Readonly<Record<string, string>>, path: string): Refusal | undefined {
  const entries = Object.entries(errors);
  if (entries.length !== 1) return undefined;
  const [parameter, text] = entries[0]!;
  const message = text.trim();
  if (parameter === "storage" && message === "No such storage.") return notFoundInPath("storage", /\/storage\/([^/]+)/, path);
  if (parameter === "upid" && message === "no such task") return notFoundInPath("task", /\/tasks\/([^/]+)/, path);
  return undefined;
}

/** The path says which one; where it does not, a parameter was wrong. */
function notFoundInPath(what: MissingThing, pattern: RegExp, path: string): Refusal | undefined {
  const id = pattern.exec(path)?.[1];
  return id === undefined ? undefined : { code: "NOT_FOUND", what, id: decodeURIComponent(id) };
}

export type Classify = (status: number, text: string, errors: Readonly<Record<string, string>>, path: string) => Refusal | undefined;

/** What a refusal by HTTP means: the status decides where it is sure, the text where Proxmox only says 500. */
export function classifyResponse(
  status: number,
  text: string,
  errors: Readonly<Record<string, string>>,
  path: string,
): Refusal | undefined {
  if (status === 401) return { code: "AUTHENTICATION" };
  if (status === 400) return classifyParameterErrors(errors, path) ?? { code: "PARAMETER" };
  const byText = classifyText(text);
  if (byText !== undefined) return byText;
  if (status === 403) return { code: "PERMISSION", privileges: [], anyOf: false };
  // 501 is also the answer to a body over 512 KiB, which no version of Proxmox will take.
  if (status === 501 && /^for data too large$/.test(text.trim())) return { code: "PARAMETER" };
  return status === 501 ? { code: "NOT_IMPLEMENTED" } : undefined;
}
