import type { Shortfall } from "../model";
import type { AppliedRule } from "../rules";

/** A place a hard rule does not allow, whatever else moves. */
export function ruleShortfall(applies: AppliedRule, place: string): Shortfall {
  return {
    text: `${place} does not satisfy the ${applies.text}`,
    summary: `against the ${applies.text}`,
    remedy: `change the ${applies.text}`,
    ifOthersMove: false,
  };
}
