/** Compares what was restored with what was backed up. Pure. */
import { parseNet } from "../proxmox";
import { dataDrivesOf } from "./drives";
import type { MarkedGuest } from "./marked-guest";

/** What a restore must have brought over unchanged. */
const SAME_KEYS = ["cores", "sockets", "memory", "smbios1"];

/** @throws with every difference when the guest that came over is not the one that was sent, and what follows. */
export function verifyRestored(
  source: MarkedGuest,
  target: MarkedGuest,
  consequence = "It is removed and the source started again.",
): void {
  const findings = [...differencesAfterRestore(source, target), ...leftBehind(source, target)];
  if (findings.length === 0) return;
  throw new Error(
    `The restored guest (vm ${target.ref.vmid} on ${target.ref.api.clusterId}) is not what was backed up: ${findings.join("; ")}. ${consequence}`,
  );
}

/** What of the guest that was backed up is missing or changed in the restored one. */
export function differencesAfterRestore(source: Pick<MarkedGuest, "config">, target: MarkedGuest): string[] {
  return [...compareDrives(source, target), ...compareKeys(source, target), ...compareMacs(source, target)];
}

/** What the source was given after the checks of the plan, and would lose with its removal. */
function leftBehind(source: MarkedGuest, target: MarkedGuest): string[] {
  const { values } = source.config;
  const carried = (key: string) => target.config.values[key] !== undefined;
  const unused = Object.keys(values).filter((key) => /^unused\d+$/.test(key) && !carried(key));
  const skipped = dataDrivesOf(source.config).filter(
    ({ slot, backedUp, ownerVmid }) => !backedUp && ownerVmid === source.ref.vmid && !carried(slot),
  );
  return [
    ...unused.map((key) => `${key} (${values[key]}) was left out of the backup: attach or delete it`),
    ...skipped.map(({ slot, volid }) => `${slot} (${volid}) has backup=0 and was left out: set backup=1 or remove the disk`),
    ...(values.parent === undefined || carried("parent") ? [] : [`snapshots (${values.parent}) were left out: delete them`]),
  ];
}

function compareDrives(source: Pick<MarkedGuest, "config">, target: MarkedGuest): string[] {
  const restored = new Map(dataDrivesOf(target.config).map((drive) => [drive.slot, drive]));
  return dataDrivesOf(source.config).flatMap((drive) => {
    if (!drive.backedUp) return [];
    const found = restored.get(drive.slot);
    if (!found) return [`${drive.slot} is missing`];
    // The source's line may name a smaller size than the volume has: one that grew through another guest (live finding 23).
    return (found.sizeBytes ?? 0) >= (drive.sizeBytes ?? 0)
      ? []
      : [`${drive.slot} has ${found.sizeBytes} bytes instead of ${drive.sizeBytes}`];
  });
}

function compareKeys(source: Pick<MarkedGuest, "config">, target: MarkedGuest): string[] {
  return SAME_KEYS.flatMap((key) => {
    const want = source.config.values[key];
    const have = target.config.values[key];
    return want === have ? [] : [`${key} is ${have ?? "missing"} instead of ${want ?? "absent"}`];
  });
}

function compareMacs(source: Pick<MarkedGuest, "config">, target: MarkedGuest): string[] {
  return Object.entries(source.config.values).flatMap(([key, value]) => {
    if (!/^net\d+$/.test(key)) return [];
    const have = target.config.values[key];
    return have !== undefined && parseNet(have).macAddress === parseNet(value).macAddress ? [] : [`${key} lost its MAC address`];
  });
}
