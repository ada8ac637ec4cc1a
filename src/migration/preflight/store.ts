/** Findings about the backup store: both clusters must reach the same one, and it needs room. Pure. */
import type { StorageDefinition } from "../../proxmox";
import { encryptionFindings } from "../encryption";
import { type Route, storeOf } from "../route";
import type { PreflightFacts } from "./facts";

/** What makes two definitions of a storage the same place; of a PBS the fingerprint stands for the server. */
const PLACE: Record<string, readonly string[]> = {
  pbs: ["datastore", "namespace"],
  nfs: ["export"],
  cifs: ["share", "subdir"],
};

export function storeFindings(route: Route, facts: PreflightFacts): string[] {
  const store = storeOf(route);
  const findings: string[] = [];
  if (!facts.targetNodeStorages.includes(store.readStorage))
    findings.push(
      `storage ${store.readStorage} of backup store ${store.sync?.store ?? store.name} is not available on the target node in ${route.target}`,
    );
  if (facts.storeFreeBytes !== undefined && facts.storeFreeBytes < facts.leastArchiveBytes)
    findings.push(
      `backup store ${store.name} has ${facts.storeFreeBytes} bytes free, at least ${facts.leastArchiveBytes} are needed: free space there`,
    );
  const { sourceStore, targetStore } = facts;
  if (sourceStore && targetStore && !store.sync) findings.push(...differences(route, sourceStore, targetStore));
  findings.push(...encryptionFindings(route, sourceStore, targetStore));
  if (facts.hasBackup === false)
    findings.push(
      `there is no backup of it on ${store.writeStorage}, which pre_migration_checks (ensure_backup_exists) asks for: back it up first`,
    );
  return findings;
}

/** Only what contradicts: servers have several names, and a directory proves nothing either way. What is left, the move proves. */
function differences(route: Route, source: StorageDefinition, target: StorageDefinition): string[] {
  const store = storeOf(route);
  const both = `${store.writeStorage} of ${route.source} and ${store.readStorage} of ${route.target}`;
  const say = (what: string, a: unknown, b: unknown) =>
    `${both} are not the same store: ${what} is ${show(a)} there and ${show(b)} here. Mend backup_stores[].storages of ${store.name}`;
  if (source.type !== target.type && source.type !== "" && target.type !== "")
    return isMounted(source.type) && isMounted(target.type) ? [] : [say("the type", source.type, target.type)];
  const keys = PLACE[source.type] ?? [];
  const findings = keys
    .filter((key) => normal(source.raw[key]) !== normal(target.raw[key]))
    .map((key) => say(key, source.raw[key], target.raw[key]));
  const [seen, known] = [fingerprintOf(source), fingerprintOf(target)];
  if (source.type === "pbs" && seen !== undefined && known !== undefined && seen !== known)
    findings.push(say("the server's fingerprint", seen, known));
  return findings;
}

/** One side may mount by NFS what the other has as a directory. */
function isMounted(type: string): boolean {
  return ["dir", "nfs", "cifs", "cephfs"].includes(type);
}

function fingerprintOf({ raw }: StorageDefinition): string | undefined {
  return typeof raw.fingerprint === "string" ? raw.fingerprint.replaceAll(":", "").toLowerCase() : undefined;
}

function normal(value: unknown): string {
  return typeof value === "string" ? value.replace(/^\/+|\/+$/g, "") : "";
}

function show(value: unknown): string {
  return typeof value === "string" && value !== "" ? value : "none";
}
