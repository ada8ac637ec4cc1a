import { describeFlow, otherFlows } from "./guest-replay";

describeFlow("storage", [
  { steps: [6], era: "8.4", reason: "8.4 words a short storage id differently" },
  { steps: [16], reason: "the simulator has no file system on which a directory could not be made" },
  { steps: [70], reason: "copying a volume by API is absent" },
  { steps: [113], reason: otherFlows },
]);
