/** The kernel's share of the recorded flows: login, rights, pools, tasks, cluster-wide reads. */
import { describe, expect, test } from "vitest";
import type { Era } from "../../../src/simulator";
import { describeReport, judge, type KnownDifference, replay } from "./replay";
import { referenceMissing } from "./transcripts";

/** Whole subjects that the simulator leaves out and answers 501 for. */
const notSimulated: KnownDifference = {
  steps: new RegExp(
    [
      "^\\w+ /cluster/(acme|ceph|config|firewall|mapping|metrics|notifications|sdn)",
      "^\\w+ /nodes/[^/]+/(capabilities|execute|hardware|netstat|scan|sdn|services|startall|stopall|syslog)",
      "^POST /nodes/[^/]+/(network|status)$",
      "^POST /nodes/[^/]+/qemu/\\d+/monitor",
    ].join("|"),
  ),
  reason: "not simulated",
};
const speed = { reason: "the recorded machine was slower or faster", mayMatch: true };
const unprotected = "the recorder took the archive's protection off without recording it";
const history = "the recorded machine had done more before";

const known: Record<string, KnownDifference[]> = {
  auth: [notSimulated, { steps: [93, 108], era: "9.2", reason: "a path without entries was left in the recorded ACL" }],
  pools: [{ steps: [41, 45], era: "9.2", ...speed }],
  tasks: [
    { steps: [2], ...speed },
    { steps: [11, 15, 18], reason: "the backup's duration and the archive's size" },
    { steps: [12], era: "8.4", reason: "8 prints the job's parameters in Perl's random order" },
    { steps: [23, 25, 26, 37], reason: history },
    {
      steps: [65, 69, 70, 73, 75, 78],
      era: "9.2",
      reason: "on the recorded machine cleaning up after a stop held the guest's lock for 30 s (slow machine)",
    },
  ],
  permissions: [{ steps: [34], reason: unprotected }],
  "permissions-minimal": [
    { steps: [35], reason: unprotected },
    { steps: [8], era: "9.2", reason: "statistics of a guest of an earlier flow" },
  ],
  failure: [
    notSimulated,
    { steps: [6], reason: "the recording describes the body (`600 kB of JSON`) and does not hold it" },
    { steps: [56, 57], reason: history, mayMatch: true },
    { steps: [62, 63], reason: "a daemon that hangs behind a proxy that does not: here both hang or none" },
    { steps: [64], reason: "a core was set over a raw connection, which is not replayed" },
    { steps: [67], reason: "a daemon that is down behind a proxy that is not" },
    { steps: range(69, 84), reason: "a node going away second by second: here it is there or not", mayMatch: true },
    { steps: range(115, 128), reason: history, mayMatch: true },
    { steps: range(127, 190), reason: "a node coming back second by second: here it is there or not", mayMatch: true },
  ],
  "cluster-reads": [
    notSimulated,
    { steps: [69, 70], reason: "only an empty storage.cfg shows the storage's priority" },
    { steps: [72, 73, 245], reason: history },
    { steps: [108], reason: "the recording keeps two points of the recorded machine's load" },
    { steps: [169, 182, 184], era: "8.4", ...speed },
  ],
};

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

describe.skipIf(referenceMissing)("recorded flows", () => {
  for (const flow of Object.keys(known)) {
    for (const era of ["8.4", "9.2"] as Era[]) {
      test(`${flow} of ${era} is answered as recorded`, async () => {
        const report = await replay(era, flow);
        const { unexpected, outdated } = judge(report, known[flow] ?? []);
        if (unexpected.length > 0) console.log(describeReport({ ...report, results: unexpected }));
        expect({ unexpected: unexpected.map((result) => result.step), outdated }).toEqual({ unexpected: [], outdated: [] });
      });
    }
  }
});
