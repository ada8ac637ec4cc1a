/** Backup stores: two clusters can exchange archives only if their storage entries mean the same place. Pure. */
import type { BackupStore, Federation } from "../../../config";
import type { StorageDefinition } from "../../../proxmox";
import type { Finding } from "../finding";
import { type ArchivesByCluster, compareArchives, type Proof } from "./archives";

/** Cluster id → the storage definitions its token sees; clusters that did not answer are left out. */
export type DefinitionsByCluster = ReadonlyMap<string, readonly StorageDefinition[]>;

export function storeFindings(
  federation: Federation,
  definitions: DefinitionsByCluster,
  archives: ArchivesByCluster = new Map(),
): Finding[] {
  return federation.backupStores.flatMap((store) => [
    ...kindFindings(store, definitions),
    ...identityFindings(store, definitions, archives),
  ]);
}

function find(definitions: DefinitionsByCluster, cluster: string, storage: string): StorageDefinition | undefined {
  return definitions.get(cluster)?.find((definition) => definition.storage === storage);
}

/** Type, content and encryption of each cluster's own entry; one that is absent is told with the storages. */
function kindFindings(store: BackupStore, definitions: DefinitionsByCluster): Finding[] {
  return Object.entries(store.access).flatMap(([cluster, { storage }]) => {
    const definition = find(definitions, cluster, storage);
    if (definition === undefined) return [];
    const findings: Finding[] = [];
    if (definition.type !== store.type) {
      const message = `storage ${storage} of backup store ${store.name} is of type ${definition.type}, not ${store.type}`;
      findings.push({ severity: "error", cluster, message, suggestion: "Correct backup_stores[].type or name another storage." });
    }
    if (definition.type === "pbs" && textOf(definition, "encryption-key") === undefined) {
      const message = `archives in storage ${storage} are not encrypted: it has no client key`;
      findings.push({
        severity: "warning",
        cluster,
        message,
        suggestion: "Give it an encryption key, the same on every cluster that reads its archives.",
      });
    }
    return findings;
  });
}

/** What a reader calls the source's archives has to be where the source writes them. */
function identityFindings(store: BackupStore, definitions: DefinitionsByCluster, archives: ArchivesByCluster): Finding[] {
  return Object.entries(store.access).flatMap(([reader, access]) =>
    Object.entries(store.access).flatMap(([source, { storage: writes }]): Finding[] => {
      if (source === reader) return [];
      const reads = access.readAs[source] ?? access.storage;
      const written = find(definitions, source, writes);
      const read = find(definitions, reader, reads);
      if (written === undefined || read === undefined) return [];
      const difference = differenceOf(written, read);
      const [there, here] = [archives.get(source)?.get(writes), archives.get(reader)?.get(reads)];
      const doubt =
        difference === undefined
          ? doubtOf(written.type, there && here && compareArchives(there, here))
          : { severity: "error" as const, why: difference };
      if (doubt === undefined) return [];
      const not = doubt.severity === "error" ? "is not" : "is not proven to be";
      return [
        {
          severity: doubt.severity,
          cluster: reader,
          message: `storage ${reads} ${not} where ${source} writes its archives (${writes} there): ${doubt.why}`,
          suggestion: `Correct the storage, or backup_stores[].storages of ${store.name}.`,
        },
      ];
    }),
  );
}

/** What keeps two entries that do not contradict each other from counting as one place. */
function doubtOf(type: string, proof: Proof | undefined): (Pick<Finding, "severity"> & { why: string }) | undefined {
  // Its archives are not listed: datastore, namespace and, in a move's preview, the certificate tell enough.
  if (type === "pbs" || proof?.kind === "same") return undefined;
  if (proof?.kind === "different") return { severity: "error", why: proof.why };
  if (proof !== undefined && proof.writtenCount > 0 && proof.readCount > 0)
    return {
      severity: "warning",
      why: "they have no archive in common, so they are two places, or each token sees only archives of its own guests (VM.Backup)",
    };
  if (PLACE_KEYS[type] !== undefined) return undefined;
  return { severity: "warning", why: `nobody can tell that of two storages of type ${type} before both list the same archive` };
}

/** What makes two entries one place, by type. The server is not among them: sites reach it under different names. */
const PLACE_KEYS: Readonly<Record<string, readonly string[]>> = {
  pbs: ["datastore", "namespace"],
  nfs: ["export"],
  cifs: ["share", "subdir"],
};

function differenceOf(written: StorageDefinition, read: StorageDefinition): string | undefined {
  if (written.type !== read.type) return `it is of type ${read.type}, not ${written.type}`;
  const keys = PLACE_KEYS[written.type];
  if (keys === undefined) return undefined;
  const differing = keys.find((key) => textOf(written, key) !== textOf(read, key));
  if (differing === undefined) return undefined;
  return `its ${differing} is ${textOf(read, differing) ?? "not set"}, there it is ${textOf(written, differing) ?? "not set"}`;
}

function textOf({ raw }: StorageDefinition, key: string): string | undefined {
  const value = raw[key];
  return value === undefined || value === "" ? undefined : String(value);
}
