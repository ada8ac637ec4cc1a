import { count } from "../amounts";
import { skewBeyond } from "../spread";
import type { NodeFilter } from "./filter";

/** Hard rules that bound how unevenly guests with a tag are spread. They decide where a guest lands, and make none leave. */
export const guestSpread: NodeFilter = {
  name: "spread",
  dynamic: true,
  check(ask, node) {
    return ask.rules.spread.flatMap((applies) => {
      const skew = skewBeyond(ask, applies, node);
      if (skew === undefined) return [];
      const { rule, text } = applies;
      const { place, members, least, leastPlace, allowed } = skew;
      return [
        {
          text: `${place} would have ${members} guests tagged ${rule.value} and ${leastPlace} has ${least}, and the ${text} allows a difference of ${allowed}`,
          summary: `with too many guests tagged ${rule.value} beside ${leastPlace}, which has ${least}`,
          remedy: `make room on ${leastPlace}, which has only ${count(least, "guest")} tagged ${rule.value}, or raise max_skew`,
          ifOthersMove: true,
        },
      ];
    });
  },
};
