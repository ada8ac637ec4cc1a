import { describeFlow, otherFlows, processCounters } from "./guest-replay";

describeFlow("migrate", [
  { steps: [1], era: "8.4", reason: "addresses of the recorded nodes" },
  { steps: [14, 37, 129], era: "8.4", reason: otherFlows },
  { steps: [38], reason: "sizes of compressed archives follow from a fixed factor" },
  { steps: [45], reason: processCounters },
  { steps: [47, 79], reason: otherFlows },
  { steps: [73, 78], reason: "no HA manager was at work on the recorded machines, here the guest really moves" },
  { steps: [128], reason: "the recorder had given the drive a format by hand" },
  { steps: /\/cluster\/(ha|replication)|\/replication$/, reason: "HA and replication configuration are not part of guests" },
  { steps: /migrateall|remote_migrate|mtunnel/, reason: "absent" },
]);
