import type { CapacityRules, CompleteCapacityRules } from "./model";

/** The guide's defaults for everything a file leaves open. */
export const DEFAULT_CAPACITY_RULES: CompleteCapacityRules = {
  overcommit: { cpu: 4, memory: 1, storage: 1.5 },
  reserve: { cpu: 0.1, memory: 0.15, storage: 0.1 },
  pressureThreshold: { cpu: 0.75, memory: 0.7, storage: 0.8 },
};

/** `overrides` over `base`, fraction by fraction; what an override names without a value is inherited too. */
export function mergeCapacityRules(base: CompleteCapacityRules, overrides: CapacityRules): CompleteCapacityRules {
  return {
    overcommit: { ...base.overcommit, ...given(overrides.overcommit) },
    reserve: { ...base.reserve, ...given(overrides.reserve) },
    pressureThreshold: { ...base.pressureThreshold, ...given(overrides.pressureThreshold) },
  };
}

function given(fractions: Partial<Record<string, number>> | undefined): Record<string, number> {
  return Object.fromEntries(Object.entries(fractions ?? {}).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
