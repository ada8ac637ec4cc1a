/** Digests of the HA configuration files: who changes one must have read it as it is. */
import { createHash } from "node:crypto";
import { fail } from "../volumes/calls";

type Sections = Record<string, Record<string, string>>;

export function digestOf(sections: Sections): string {
  return createHash("sha1").update(JSON.stringify(sections)).digest("hex");
}

export function requireDigest(sections: Sections, digest: string | undefined): void {
  if (digest !== undefined && digest !== digestOf(sections))
    fail("detected modified configuration - file changed by other user? Try again.");
}
