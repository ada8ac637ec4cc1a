import { describeFlow, otherFlows } from "./guest-replay";

describeFlow("backup", [
  { steps: [84], era: "9.2", reason: otherFlows },
  { steps: [87, 112, 162, 164, 189], reason: otherFlows },
  { steps: [113, 220], era: "8.4", reason: otherFlows },
  { steps: [105], reason: "the log names options in another order and has more progress lines" },
  { steps: [156], reason: "the recorded machine could not start a guest with KVM" },
]);
