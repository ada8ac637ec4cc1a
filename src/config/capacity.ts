import type { CapacityRules } from "./model";

/** The guide's defaults for everything a file leaves open. */
export const DEFAULT_CAPACITY_RULES: CapacityRules = {
  overcommit: { cpu: 4, memory: 1, storage: 1.5 },
  reserve: { cpu: 0.1, memory: 0.15, storage: 0.1 },
  pressureThreshold: { cpu: 0.75, memory: 0.7, storage: 0.8 },
};

/** `overrides` over `base`, fraction by fraction. */
export function mergeCapacityRules(base: CapacityRules, overrides: CapacityRules): CapacityRules {
  return {
    overcommit: { ...base.overcommit, ...overrides.overcommit },
    reserve: { ...base.reserve, ...overrides.reserve },
    pressureThreshold: { ...base.pressureThreshold, ...overrides.pressureThreshold },
  };
}
