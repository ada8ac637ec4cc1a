/** The kernel's share of the recorded flows: login, rights, pools, tasks, cluster-wide reads. */
import { describe, expect, test } from "vitest";
import type { Era } from "../../../src/simulator";
import { describeReport, judge, type KnownDifference, replay } from "./replay";
import { referenceMissing } from "./transcripts";

const known: Record<string, KnownDifference[]> = { auth: [], pools: [], tasks: [], "cluster-reads": [] };

describe.skipIf(referenceMissing)("recorded flows", () => {
  for (const flow of Object.keys(known)) {
    for (const era of ["8.4", "9.2"] as Era[]) {
      test(`${flow} of ${era} is answered as recorded`, async () => {
        const report = await replay(era, flow);
        const { unexpected, outdated } = judge(report, known[flow] ?? []);
        if (unexpected.length > 0) console.log(describeReport(report));
        expect({ unexpected: unexpected.map((result) => result.step), outdated }).toEqual({ unexpected: [], outdated: [] });
      });
    }
  }
});
