/** The kernel's share of the recorded flows: login, rights, pools, tasks, cluster-wide reads. */
import { describe, expect, test } from "vitest";
import type { Era } from "../../../src/simulator";
import { describeReport, judge, type KnownDifference, replay } from "./replay";
import { referenceMissing } from "./transcripts";

/** Whole subjects that the simulator leaves out and answers 501 for. */
const notSimulated: KnownDifference = {
  steps: new RegExp(
    [
      "^\\w+ /cluster/(acme|backup|ceph|config|firewall|ha|jobs|log|mapping|metrics|notifications|replication|sdn)",
      "^\\w+ /nodes/[^/]+/(capabilities|config|dns|execute|hardware|netstat|replication|rrddata|scan|sdn|services|startall|stopall|syslog|time)",
      "^GET /nodes/[^/]+/vzdump/defaults",
      "^POST /nodes/[^/]+/(network|status)$",
      "^POST /nodes/[^/]+/qemu/\\d+/monitor",
      "^(POST|PUT|DELETE) /storage",
    ].join("|"),
  ),
  reason: "not simulated",
};
const speed = { reason: "the recorded machine was slower or faster", mayMatch: true };
const history = "the recorded machine had done more before";

const known: Record<string, KnownDifference[]> = {
  auth: [
    notSimulated,
    { steps: [190], reason: "vzdump of all guests without a storage" },
    { steps: [93, 108], era: "9.2", reason: "a path without entries was left in the recorded ACL" },
  ],
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
  "cluster-reads": [
    notSimulated,
    { steps: [60], reason: "storage filter of an unknown storage" },
    { steps: [62, 69, 70], reason: "storage rows leave out formats and priority" },
    { steps: [72, 245], reason: history },
    { steps: [169, 182, 184], era: "8.4", ...speed },
    { steps: /^GET \/nodes\/[^/]+\/qemu$/, reason: "counters and pressure of a running QEMU" },
    { steps: /^GET \/nodes\/[^/]+\/qemu\/100\/status\/current$/, reason: "counters and pressure of a running QEMU" },
  ],
};

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
