import { describeFlow } from "./guest-replay";

describeFlow("permissions", []);
describeFlow("permissions-minimal", [{ steps: [8], era: "9.2", reason: "the recorder had waited for the next statistics" }]);
