/** A guest's config file as text: what its digest is computed from and what goes into an archive. */
import { createHash } from "node:crypto";
import type { GuestState } from "../kernel";
import type { Config } from "./drive";

/** sha1 of the whole file; that of an empty file is `da39a3ee…`. */
export function configDigest(guest: GuestState): string {
  return createHash("sha1").update(formatGuestConfig(guest)).digest("hex");
}

/** Main section, pending changes, then snapshots by name. */
export function formatGuestConfig(guest: GuestState): string {
  let text = formatSection(guest.config);
  const pending = Object.entries(guest.pending);
  if (pending.length > 0) {
    const values: Config = {};
    const deleted: string[] = [];
    for (const [key, change] of pending) {
      if (change.delete) deleted.push(change.delete === "force" ? `!${key}` : key);
      else if (change.value !== undefined) values[key] = change.value;
    }
    if (deleted.length > 0) values.delete = deleted.join(",");
    text += `\n[PENDING]\n${formatSection(values)}`;
  }
  for (const name of Object.keys(guest.snapshots).sort()) text += `\n[${name}]\n${formatSection(snapshotSection(guest, name))}`;
  return text;
}

/** A snapshot's section: its config, when and from what it was taken. */
export function snapshotSection(guest: GuestState, name: string): Config {
  const snapshot = guest.snapshots[name]!;
  return {
    ...snapshot.config,
    ...(snapshot.description === undefined ? {} : { description: snapshot.description }),
    ...(snapshot.parent === undefined ? {} : { parent: snapshot.parent }),
    snaptime: String(snapshot.snaptime),
  };
}

/** Description as comment lines on top, then `key: value` sorted. */
export function formatSection(config: Config): string {
  const { description, ...rest } = config;
  const comment =
    description === undefined
      ? ""
      : description
          .split("\n")
          .map((line) => `#${encodeText(line)}\n`)
          .join("");
  const lines = Object.keys(rest)
    .sort()
    .map((key) => `${key}: ${rest[key]}\n`);
  return comment + lines.join("");
}

/** The main section of a config text; later sections and unknown lines are left out. */
export function parseSection(text: string): Config {
  const config: Config = {};
  const comments: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("[")) break;
    if (line.startsWith("#")) comments.push(decodeText(line.slice(1)));
    const match = /^([a-z][a-z_-]*\d*):\s*(.+?)\s*$/.exec(line);
    if (match) config[match[1]!] = match[1] === "description" ? decodeText(match[2]!) : match[2]!;
  }
  if (comments.length > 0) config.description = comments.join("\n").replace(/\s+$/, "");
  return config;
}

/** Control characters, non-ASCII, `:` and `%` are written as %XX. */
function encodeText(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && byte !== 0x3a;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

function decodeText(text: string): string {
  const bytes = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
