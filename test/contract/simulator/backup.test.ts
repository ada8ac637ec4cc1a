import { describeFlow, otherFlows, processCounters } from "./guest-replay";

describeFlow("backup", [
  { steps: [35, 44, 68, 69, 85, 108, 113, 220], reason: "sizes of compressed archives follow from a fixed factor" },
  { steps: [80, 83, 107], reason: processCounters },
  { steps: [84], era: "9.2", reason: otherFlows },
  { steps: [87, 112, 162, 164, 189], reason: otherFlows },
  { steps: [105], reason: "the log names options in another order and has more progress lines" },
  { steps: [134, 159, 166, 182, 184], reason: "the recorded machine kept temporary files in another directory" },
  { steps: [142], era: "8.4", reason: "8.4 words a missing required parameter differently" },
  { steps: [156], reason: "the recorded machine could not start a guest with KVM" },
  { steps: /\/cluster\/backup/, reason: "backup jobs are not part of guests" },
]);
