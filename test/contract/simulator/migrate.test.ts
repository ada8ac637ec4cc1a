import { describeFlow, otherFlows } from "./guest-replay";

describeFlow("migrate", [
  { steps: [1], era: "8.4", reason: "addresses of the recorded nodes" },
  { steps: [14, 37, 102, 128, 129], era: "8.4", reason: otherFlows },
  { steps: [47], reason: otherFlows },
  { steps: [79], reason: "the recording shows one guest of several" },
  { steps: [93], era: "9.2", reason: "without its type the properties of a rule are not known" },
  { steps: /migrateall/, reason: "absent" },
]);
