/** One recorded flow in both versions: every step as recorded, except those listed with a reason. */
import { describe, expect, test } from "vitest";
import type { Era } from "../../../src/simulator";
import { guestFlow } from "./guest-flows";
import { describeReport, judge, type KnownDifference, replay } from "./replay";
import { referenceMissing } from "./transcripts";

/** Other guests, tasks and storages of the machines on which the flows were recorded. */
export const otherFlows = "the recorded machine still had things of other flows";

export function describeFlow(flow: string, known: readonly KnownDifference[]): void {
  describe.skipIf(referenceMissing)(`recorded flow ${flow}`, () => {
    for (const era of ["8.4", "9.2"] as Era[]) {
      test(`of ${era} is answered as recorded`, async () => {
        const report = await replay(era, flow, { world: guestFlow(era, flow) });
        const { unexpected, outdated } = judge(report, known);
        if (unexpected.length > 0) console.log(describeReport({ ...report, results: unexpected }));
        expect({ unexpected: unexpected.map((result) => result.step), outdated }).toEqual({ unexpected: [], outdated: [] });
      });
    }
  });
}
