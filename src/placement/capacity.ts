import { DEFAULT_CAPACITY_RULES } from "../config/capacity";
import type { CapacityFractions, NodeFacts, Required3, StorageFacts } from "./model";
import { nonNegative, shareDown, shareUp, tenThousandths, wholeNonNegative } from "./numbers";

export { DEFAULT_CAPACITY_RULES };

/** Cores a node may hand out in all, in thousandths: cores × over-commit − cores × reserve. The reserve is taken from the physical cores. */
export function cpuCapacityMilli(node: NodeFacts, rules: Required3<CapacityFractions>): number {
  const physical = Math.floor(nonNegative(node.cores) * 1000);
  const granted = shareDown(physical, tenThousandths(rules.overcommit.cpu, DEFAULT_CAPACITY_RULES.overcommit.cpu));
  return Math.max(0, granted - shareUp(physical, tenThousandths(rules.reserve.cpu, DEFAULT_CAPACITY_RULES.reserve.cpu)));
}

/** Memory a node may hand out in all, in MiB: total × over-commit − total × reserve. */
export function memoryCapacityMiB(node: NodeFacts, rules: Required3<CapacityFractions>): number {
  const physical = wholeNonNegative(node.memoryMiB);
  const granted = shareDown(physical, tenThousandths(rules.overcommit.memory, DEFAULT_CAPACITY_RULES.overcommit.memory));
  return Math.max(0, granted - shareUp(physical, tenThousandths(rules.reserve.memory, DEFAULT_CAPACITY_RULES.reserve.memory)));
}

/**
 * Bytes a storage can still take: the smaller of what is physically free after the reserve and what over-provisioning
 * still allows. `usedBytes` and `allocatedBytes` are passed in because promises of this run count in both.
 */
export function storageAvailableBytes(
  storage: StorageFacts,
  rules: Required3<CapacityFractions>,
  usedBytes: number,
  allocatedBytes: number,
): number {
  const total = wholeNonNegative(storage.totalBytes);
  const reserve = shareUp(total, tenThousandths(rules.reserve.storage, DEFAULT_CAPACITY_RULES.reserve.storage));
  const provisionable = shareDown(total, tenThousandths(rules.overcommit.storage, DEFAULT_CAPACITY_RULES.overcommit.storage));
  return Math.max(0, Math.min(total - usedBytes - reserve, provisionable - allocatedBytes));
}

/** 0 up to the threshold (a fraction), then rising in a straight line to 1000 at full. Amounts in any one unit. */
export function pressurePermille(used: number, total: number, threshold: number): number {
  if (total <= 0) return used > 0 ? 1000 : 0;
  const ratio = used / total;
  // A threshold that is no fraction is none: pressure then shows only where it is full.
  const from = threshold >= 0 ? threshold : 1;
  if (ratio <= from) return 0;
  return from >= 1 ? 1000 : Math.min(1000, Math.floor(((ratio - from) / (1 - from)) * 1000));
}
