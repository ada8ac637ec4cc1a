import type { PoolPolicy } from "../model";
import { cost } from "./cost";
import { distance } from "./distance";
import { hardware } from "./hardware";
import { headroom } from "./headroom";
import { pressure } from "./pressure";
import type { Scorer } from "./scorer";
import { storageTier } from "./storage-tier";
import { tier } from "./tier";

/** What each strategy looks at and how much each aspect counts, in thousandths; each list adds up to 1000. */
export const STRATEGIES: Readonly<Record<PoolPolicy["strategy"], readonly { scorer: Scorer; weight: number }[]>> = {
  balanced: [
    { scorer: headroom, weight: 700 },
    { scorer: pressure, weight: 200 },
    { scorer: tier, weight: 100 },
  ],
  performance: [
    { scorer: hardware, weight: 250 },
    { scorer: storageTier, weight: 250 },
    { scorer: tier, weight: 200 },
    { scorer: pressure, weight: 200 },
    { scorer: headroom, weight: 100 },
  ],
  cost: [
    { scorer: cost, weight: 850 },
    { scorer: headroom, weight: 100 },
    { scorer: pressure, weight: 50 },
  ],
  geographic: [
    { scorer: distance, weight: 850 },
    { scorer: headroom, weight: 100 },
    { scorer: pressure, weight: 50 },
  ],
};
