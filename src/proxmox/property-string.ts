import { FormatError } from "./errors";

/**
 * One element of a property string, as written. `scsi0: local:8,discard=on` has the element `local:8`
 * without a key, standing for the default key, and `discard=on`.
 */
export interface PropertyEntry {
  /** Resolved key: of an element without one the default key, of an empty element "". */
  key: string;
  value: string;
  /** Written without `key=`. */
  bare: boolean;
}

/** A property string in its original order, with everything needed to print it back unchanged. */
export type PropertyString = readonly PropertyEntry[];

/**
 * Reads `a,b=1,c=2`. A quoted part (`key="a,b"`) is not split; quotes stay part of the value. Empty elements
 * are kept, so that `formatPropertyString(parsePropertyString(text)) === text`. Throws {@link FormatError} on
 * what Proxmox refuses: `=value`, `key=`, a second value for one key, an element without key where there is no default.
 */
export function parsePropertyString(text: string, defaultKey?: string): PropertyString {
  const entries: PropertyEntry[] = [];
  const seen = new Set<string>();
  for (const element of splitElements(text)) {
    const entry = parseElement(element, text, defaultKey);
    if (entry.key !== "" && seen.has(entry.key)) throw new FormatError("property string", text, `"${entry.key}" is given twice`);
    seen.add(entry.key);
    entries.push(entry);
  }
  return entries;
}

function parseElement(element: string, text: string, defaultKey: string | undefined): PropertyEntry {
  if (element.trim() === "") return { key: "", value: element, bare: true };
  const equals = element.indexOf("=");
  if (equals === -1) {
    if (defaultKey === undefined) throw new FormatError("property string", text, `"${element}" has no key`);
    return { key: defaultKey, value: element, bare: true };
  }
  const key = element.slice(0, equals);
  const value = element.slice(equals + 1);
  if (key.trim() === "" || value === "") throw new FormatError("property string", text, `"${element}" lacks a key or a value`);
  return { key, value, bare: false };
}

function splitElements(text: string): string[] {
  const elements: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted && character === "\\") at++;
    // Only a quote at the start of a value opens a quoted part: `serial=a"b` is a plain value.
    else if (character === '"' && (quoted || at === start || text[at - 1] === "=")) quoted = !quoted;
    else if (character === "," && !quoted) {
      elements.push(text.slice(start, at));
      start = at + 1;
    }
  }
  // An open quote protects nothing.
  if (quoted) return text.split(",");
  elements.push(text.slice(start));
  return elements;
}

export function formatPropertyString(properties: PropertyString): string {
  return properties.map(({ key, value, bare }) => (bare ? value : `${key}=${value}`)).join(",");
}

export function getProperty(properties: PropertyString, key: string): string | undefined {
  return properties.find((entry) => entry.key === key && key !== "")?.value;
}

/** A copy with the property changed in its place, or added at the end; `undefined` takes it out. */
export function setProperty(properties: PropertyString, key: string, value: string | number | boolean | undefined): PropertyString {
  if (value === undefined) return properties.filter((entry) => entry.key !== key);
  const text = typeof value === "boolean" ? (value ? "1" : "0") : String(value);
  if (properties.some((entry) => entry.key === key)) {
    return properties.map((entry) => (entry.key === key ? { ...entry, value: text } : entry));
  }
  return [...properties, { key, value: text, bare: false }];
}

/** `undefined` when it is none of Proxmox's words for yes and no. */
export function parsePropertyBoolean(value: string): boolean | undefined {
  if (/^(1|on|yes|true)$/i.test(value)) return true;
  if (/^(0|off|no|false)$/i.test(value)) return false;
  return undefined;
}
