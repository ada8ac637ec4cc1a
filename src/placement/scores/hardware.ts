import type { Scorer } from "./scorer";

const STANDARD_PERMILLE = 600;

/** Classes with a meaning; any other name, or none, counts as standard. */
const CLASS_PERMILLE: Readonly<Record<string, number>> = {
  performance: 1000,
  high: 1000,
  standard: STANDARD_PERMILLE,
  economy: 300,
  low: 300,
};

/** The node's declared hardware class. */
export const hardware: Scorer = {
  term: "hardware",
  measure(_ask, node) {
    const declared = node.facts.hardwareClass?.toLowerCase();
    const value = declared !== undefined && Object.hasOwn(CLASS_PERMILLE, declared) ? CLASS_PERMILLE[declared] : undefined;
    return {
      value: value ?? STANDARD_PERMILLE,
      detail: declared === undefined ? "no hardware class declared" : `hardware class ${declared}`,
    };
  },
};
