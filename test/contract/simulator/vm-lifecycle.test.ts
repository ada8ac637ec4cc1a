import { describeFlow, otherFlows } from "./guest-replay";

describeFlow("vm-lifecycle", [
  { steps: [7, 8, 10, 54], era: "8.4", reason: "tags of a create keep their separators on 8.4" },
  { steps: [49, 51, 52], reason: "a race: which of three creates wins is chance" },
  { steps: [65, 69], reason: "malformed bodies of an update: JSON null, broken JSON" },
  { steps: [166, 168, 171, 181], era: "8.4", reason: "QEMU of the recorded machine was too slow to plug a card" },
  { steps: [169, 171, 181], era: "9.2", reason: "a guest without operating system does not let go of a card" },
  { steps: [188], era: "9.2", reason: "the slow clean-up after a killed process held the lock" },
  { steps: [176, 177], reason: "agent exec and the human monitor are absent" },
  { steps: [245], reason: "dumping a generated cloud-init file is absent" },
  { steps: [304], reason: otherFlows },
  { steps: [310, 316], era: "9.2", reason: otherFlows },
]);
