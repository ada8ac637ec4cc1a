import type { ApiParams } from "./api";

/** Replaces secrets in a text by `***`. */
export type Redact = (text: string) => string;

const sensitiveParameter = /pass(?:word|wd)?$|secret|ticket|otp|apitoken|target-endpoint|encryption-key|privatekey/i;

/** Proxmox repeats refused values in its messages, so what was sent may come back. */
export function secretsOfParams(params: ApiParams): string[] {
  return Object.entries(params)
    .filter(([key, value]) => typeof value === "string" && sensitiveParameter.test(key))
    .flatMap(([key, value]) => (key === "target-endpoint" ? tokensOfEndpoint(String(value)) : [String(value)]));
}

/** `target-endpoint` of a remote migration: `host=…,apitoken=PVEAPIToken=user@realm!name=SECRET,…`. */
function tokensOfEndpoint(endpoint: string): string[] {
  const token = /apitoken=([^,]*)/.exec(endpoint)?.[1];
  if (token === undefined) return [endpoint];
  const secret = token.slice(token.lastIndexOf("=") + 1);
  return [secret];
}

/** Longest first, so that a secret that contains another one goes whole. */
export function createRedactor(secrets: Iterable<string>): Redact {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret === "") continue;
    forms.add(secret);
    forms.add(encodeURIComponent(secret));
  }
  const ordered = [...forms].sort((a, b) => b.length - a.length);
  return (text) => ordered.reduce((cleaned, secret) => cleaned.split(secret).join("***"), text);
}

/**
 * A plain copy of an error, fit to be a `cause`: undici's own errors carry sockets, and may carry headers.
 * Keeps name, code and cleaned message.
 */
export function cleanCause(error: unknown, redact: Redact): Error {
  const source = error instanceof Error ? error : new Error(String(error));
  const copy = new Error(redact(describeError(source)));
  copy.name = source.name;
  const code = (source as { code?: unknown }).code;
  if (typeof code === "string") Object.assign(copy, { code });
  delete copy.stack;
  return copy;
}

/** Message of an error; of an AggregateError (several addresses of one host), those of its parts. */
export function describeError(error: Error): string {
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map((part: unknown) => (part instanceof Error ? part.message : String(part))).join("; ");
  }
  return error.message || error.name;
}
