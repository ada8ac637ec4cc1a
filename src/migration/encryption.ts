/** Proof that archives are encrypted with a key that both clusters hold. */
import type { StorageDefinition, Volume } from "../proxmox";
import type { MoveRequest } from "./move-request";
import { type Route, storeOf } from "./route";

/**
 * Fingerprint of the client key of a PBS storage, as both its definition (`encryption-key`) and the listing of its content
 * (`encrypted`) give it. `1` stands for a key without a fingerprint: it proves nothing.
 */
function keyOf(text: unknown): string | undefined {
  if (typeof text !== "string") return undefined;
  const fingerprint = text.replaceAll(":", "").toLowerCase();
  return /^[0-9a-f]{16,64}$/.test(fingerprint) ? fingerprint : undefined;
}

/** Why the store cannot be proven to encrypt, in words with what to do; empty = it does, with one key on both sides. */
export function encryptionFindings(route: Route, source: StorageDefinition | undefined, target: StorageDefinition | undefined): string[] {
  if (!route.encrypted) return [];
  const { writeStorage, readStorage } = storeOf(route);
  const sides: [string, string, StorageDefinition | undefined][] = [
    [route.source, writeStorage, source],
    [route.target, readStorage, target],
  ];
  const findings = sides.flatMap(([cluster, storage, definition]) =>
    keyOf(definition?.raw["encryption-key"]) === undefined
      ? [
          `the path requires encryption, and storage ${storage} of ${cluster} shows no client key with a fingerprint: set one (pvesm set ${storage} --encryption-key FILE), and give the token Datastore.Audit on /storage/${storage}`,
        ]
      : [],
  );
  if (findings.length > 0) return findings;
  const [written, read] = [keyOf(source!.raw["encryption-key"])!, keyOf(target!.raw["encryption-key"])!];
  return written === read
    ? []
    : [
        `the path requires encryption, and the client keys differ: ${writeStorage} of ${route.source} has ${written.slice(0, 16)}, ${readStorage} of ${route.target} has ${read.slice(0, 16)}. Use the same key file on both`,
      ];
}

/** @throws when the archive is not encrypted with the key of the storage it was written to. */
export async function requireEncrypted({ source, route }: Pick<MoveRequest, "source" | "route">, archive: Volume): Promise<void> {
  const { writeStorage } = storeOf(route);
  const definition = (await source.api.listStorageDefinitions()).find(({ storage }) => storage === writeStorage);
  const wanted = keyOf(definition?.raw["encryption-key"]);
  if (wanted !== undefined && keyOf(archive.encrypted) === wanted) return;
  throw new Error(
    `Archive ${archive.volid} is not proven to be encrypted with the key of storage ${writeStorage}, and the path from ${route.source} to ${route.target} requires it.`,
  );
}
