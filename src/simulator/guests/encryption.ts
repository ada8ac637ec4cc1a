/** Client-side encryption of backups to a datastore. */
import { createHash } from "node:crypto";

/** A chunk's id on the datastore: with another key, or none, the same data is another chunk. */
export function chunkOf(contentId: string, keyFingerprint: string | undefined): string {
  if (keyFingerprint === undefined) return contentId;
  return createHash("sha256").update(`${keyFingerprint}:${contentId}`).digest("hex").slice(0, 16);
}
