/** Client-side encryption of backups to a datastore. The key itself is never needed here, only which one it is. */
import { createHash, randomBytes } from "node:crypto";
import type { StorageState } from "../state";
import type { Archive } from "./archive";

/** A chunk's id on the datastore: with another key, or none, the same data is another chunk. */
export function chunkOf(contentId: string, keyFingerprint: string | undefined): string {
  if (keyFingerprint === undefined) return contentId;
  return createHash("sha256").update(`${keyFingerprint}:${contentId}`).digest("hex").slice(0, 16);
}

/** `aa:bb:…`, 32 pairs. */
export function fingerprintOfKey(key: string): string {
  return createHash("sha256").update(key).digest("hex").match(/../g)!.join(":");
}

/** A key file without passphrase, as `autogen` makes it. */
export function createKeyFile(createdAtMs: number): string {
  const data = randomBytes(32).toString("base64");
  const created = `${new Date(createdAtMs).toISOString().slice(0, 19)}+00:00`;
  return JSON.stringify({ kdf: null, created, modified: created, data, fingerprint: fingerprintOfKey(data) });
}

export interface KeyFile {
  /** What storage.cfg shows: the fingerprint, or 1 when the file has none. */
  shown: string;
  fingerprint: string;
}

/** `undefined` when the text is no key file. */
export function parseKeyFile(text: string): KeyFile | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null || !("data" in parsed)) return undefined;
  const { data, fingerprint } = parsed as { data: unknown; fingerprint?: unknown };
  const given = typeof fingerprint === "string" && fingerprint !== "" ? fingerprint : undefined;
  return { shown: given ?? "1", fingerprint: given ?? fingerprintOfKey(String(data)) };
}

/** Why a storage cannot read an archive, in the backup client's words; `undefined` when it can. */
export function keyProblem(storage: StorageState, archive: Archive): string | undefined {
  const made = archive.keyFingerprint;
  if (made === undefined || made === storage.keyFingerprint) return undefined;
  if (storage.keyFingerprint === undefined) return `missing key - manifest was created with key ${short(made)}`;
  return `wrong key - unable to verify signature since manifest's key ${short(made)} does not match provided key ${short(storage.keyFingerprint)}`;
}

/** The client shows the first eight pairs. */
function short(fingerprint: string): string {
  return fingerprint.split(":").slice(0, 8).join(":");
}
