/** What a backup server's refusals mean: mostly a 400 with a text, whatever happened. */
import { notFound, type Refusal, type Rule } from "../classify";

const rules: Rule[] = [
  { pattern: /^no such datastore '([^']+)'$/, refusal: notFound("datastore") },
  { pattern: /^no such remote '([^']+)'$/, refusal: notFound("remote") },
  { pattern: /^remote '([^']+)' does not exist\.$/, refusal: notFound("remote") },
  { pattern: /^no such sync '([^']+)'$/, refusal: notFound("sync job") },
  { pattern: /^job '([^']+)' does not exist\.$/, refusal: notFound("sync job") },
  { pattern: /^unable to open snapshot directory "([^"]+)" for locking - ENOENT\b/, refusal: notFound("snapshot") },
  { pattern: /\bparameter '[^']+': (?:job|remote) '[^']+' already exists\.$/, refusal: () => ({ code: "ALREADY_EXISTS" }) },
  { pattern: /^namespace already exists$/, refusal: () => ({ code: "ALREADY_EXISTS" }) },
  { pattern: /^parameter verification errors\b/, refusal: () => ({ code: "PARAMETER" }) },
  { pattern: /\bjob is already running$/, refusal: () => ({ code: "LOCKED", lockFile: true }) },
  { pattern: /^unable to acquire lock\b/, refusal: () => ({ code: "LOCKED", lockFile: true }) },
  { pattern: /^detected modified configuration\b/, refusal: () => ({ code: "DIGEST" }) },
  {
    pattern: /^missing permissions '([^']+)' on '([^']+)'$/,
    refusal: ([, list = "", aclPath]) => ({ code: "PERMISSION", aclPath, privileges: list.split(/[|&]/), anyOf: list.includes("|") }),
  },
  { pattern: /^permission check failed\.?$/, refusal: () => ({ code: "PERMISSION", privileges: [], anyOf: false }) },
  { pattern: /^backup owner check failed\b/, refusal: () => ({ code: "PERMISSION", privileges: [], anyOf: false }) },
  { pattern: /^task access not allowed$/, refusal: () => ({ code: "PERMISSION", privileges: [], anyOf: false }) },
];

/** `undefined` for a text none of the rules knows. */
export function classifyPbsResponse(status: number, text: string): Refusal | undefined {
  if (status === 401) return { code: "AUTHENTICATION" };
  for (const { pattern, refusal } of rules) {
    const match = pattern.exec(text.trim());
    if (match) return refusal(match);
  }
  if (status === 403) return { code: "PERMISSION", privileges: [], anyOf: false };
  return status === 404 && /^Path '.*' not found\.$/.test(text.trim()) ? { code: "NOT_IMPLEMENTED" } : undefined;
}
