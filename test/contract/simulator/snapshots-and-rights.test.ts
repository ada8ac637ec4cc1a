import { describeFlow, processCounters } from "./guest-replay";

describeFlow("permissions", [{ steps: [21], reason: processCounters }]);
describeFlow("permissions-minimal", [
  { steps: [8], era: "9.2", reason: "the recorder had waited for the next statistics" },
  { steps: [22], reason: processCounters },
]);
