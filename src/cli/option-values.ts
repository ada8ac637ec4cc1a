/** From the text of an option to its value, with commander's error for one that is none. */
import { InvalidArgumentError } from "commander";

export function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1024 || port > 65000) throw new InvalidArgumentError("a port from 1024 to 65000");
  return port;
}

export function parseAmount(text: string): number {
  const amount = Number(text);
  if (text.trim() === "" || !Number.isFinite(amount) || amount < 0) throw new InvalidArgumentError("a number of at least 0");
  return amount;
}

/** `statefulset/default/db` */
export function parseWorkload(text: string): { kind: "StatefulSet" | "Deployment"; namespace: string; name: string } {
  const [kindText = "", namespace, name, ...rest] = text.split("/");
  const kind = (["StatefulSet", "Deployment"] as const).find((known) => known.toLowerCase() === kindText.toLowerCase());
  if (!kind || !namespace || !name || rest.length > 0)
    throw new InvalidArgumentError("kind/namespace/name, for example statefulset/default/db");
  return { kind, namespace, name };
}

/** Whole cores. */
export function parseCores(text: string): number {
  const cores = Number(text);
  if (!/^\d+$/.test(text.trim()) || cores < 1 || cores > 4096) throw new InvalidArgumentError("a whole number of cores from 1 to 4096");
  return cores;
}

/** From one second to a day. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 1 || seconds > 86_400) throw new InvalidArgumentError("a number of seconds from 1 to 86400");
  return seconds;
}

/** From one day to ten years. */
export function parseDays(text: string): number {
  const days = Number(text);
  if (!/^\d{1,4}$/.test(text.trim()) || days < 1 || days > 3650) throw new InvalidArgumentError("a whole number of days from 1 to 3650");
  return days;
}

/** Milliseconds since the epoch. A time without a zone would mean another instant on every machine. */
export function parseInstant(text: string): number {
  const instantMs = Date.parse(text);
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}.*(Z|[+-]\d{2}:\d{2})$/.test(text) || Number.isNaN(instantMs))
    throw new InvalidArgumentError("an instant with its zone, for example 2026-03-01T22:00:00Z or 2026-03-01T23:00:00+01:00");
  return instantMs;
}

/** For an option that may be given several times. */
export function repeated(text: string, before: string[]): string[] {
  return [...before, text];
}

/** A whole number from 0 on. */
export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text.trim())) throw new InvalidArgumentError("a whole number of at least 0");
  return Number(text);
}

/** `9900-9919`, both included, as Proxmox takes vmids. */
export function parseVmidRange(text: string): { first: number; last: number } {
  const match = /^(\d{3,9})-(\d{3,9})$/.exec(text.trim());
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || first < 100 || last < first)
    throw new InvalidArgumentError("two vmids from 100 on, the lower one first, for example 9900-9919");
  return { first, last };
}
