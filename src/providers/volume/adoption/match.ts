/** Whether a PersistentVolume is what the program declares. Pure. */
import type { PersistentVolume } from "../../../kubernetes";
import { type ObjectName, parseFlag, toVolumeAttributes } from "../../../kubernetes";
import type { VolumeSpec } from "../spec";
import type { Adoptee } from "./adoptee";

interface Difference {
  property: string;
  declared: unknown;
  found: unknown;
}

/**
 * All that Kubernetes or the filesystem on the disk has fixed must be declared as it is: it cannot be changed, and a
 * PersistentVolume that is made for the disk later would say something else.
 */
export function describeMismatch(spec: VolumeSpec, { volume, name }: Pick<Adoptee, "volume" | "name">): string | undefined {
  const differences = compare(spec, volume).filter(({ declared, found }) => JSON.stringify(declared) !== JSON.stringify(found));
  if (differences.length === 0) return undefined;
  const list = differences.map(({ property, declared, found }) => `${property} is ${show(found)}, not ${show(declared)}`).join("; ");
  return `PersistentVolume ${name} is not what is declared: ${list}. Declare what it is`;
}

function compare(spec: VolumeSpec, { spec: found }: PersistentVolume): Difference[] {
  const { csi, claimRef, volumeMode = "Filesystem" } = found ?? {};
  const differences: Difference[] = [
    { property: "storageClassName", declared: spec.storageClassName, found: found?.storageClassName ?? "" },
    { property: "volumeMode", declared: spec.volumeMode, found: volumeMode },
    { property: "accessMode", declared: [spec.accessMode], found: found?.accessModes ?? [] },
    { property: "mountOptions", declared: spec.mountOptions, found: found?.mountOptions ?? [] },
    { property: "luks", declared: luksOf(spec), found: secretOf(csi?.nodeStageSecretRef) },
  ];
  // An empty name is ext4 to the plugin.
  if (volumeMode === "Filesystem") differences.push({ property: "fsType", declared: spec.fsType, found: csi?.fsType || "ext4" });
  if (spec.claim && claimRef)
    differences.push({
      property: "claim",
      declared: claimOf(spec.claim),
      found: claimOf({ namespace: claimRef.namespace ?? "", name: claimRef.name ?? "" }),
    });
  return [...differences, ...compareAttributes(spec, csi?.volumeAttributes ?? {})];
}

/** Only what the plugin does with the disk; what the provisioner notes beside it is its own. */
function compareAttributes(spec: VolumeSpec, found: Record<string, string>): Difference[] {
  const { storage: _storage, backup: _backup, replicate: _replicate, ...declared } = toVolumeAttributes("", spec.attributes);
  const names = ["iothread", "cache", "aio", "ssd", "diskIOPS", "diskMBps"] as const;
  return names.map((name) => ({
    property: `attribute ${name}`,
    declared: meaning(name, declared[name]),
    found: meaning(name, found[name]),
  }));
}

/** The plugin reads flags as Go does, and takes a missing one for its default. */
function meaning(name: string, value: string | undefined): unknown {
  if (name !== "iothread" && name !== "ssd") return value ?? null;
  return value === undefined ? name === "iothread" : parseFlag(value);
}

function luksOf({ luks }: VolumeSpec): ObjectName | null {
  return luks ? { namespace: luks.secretNamespace, name: luks.secretName } : null;
}

function secretOf(reference: { namespace?: string; name?: string } | undefined): ObjectName | null {
  return reference ? { namespace: reference.namespace ?? "", name: reference.name ?? "" } : null;
}

function claimOf({ namespace, name }: ObjectName): ObjectName {
  return { namespace, name };
}

function show(value: unknown): string {
  return value === null ? "not set" : JSON.stringify(value);
}
