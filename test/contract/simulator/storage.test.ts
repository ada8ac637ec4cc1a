import { describeFlow, otherFlows } from "./guest-replay";

describeFlow("storage", [
  { steps: [6], era: "8.4", reason: "8.4 words a short storage id differently" },
  { steps: [16], reason: "the simulator has no file system on which a directory could not be made" },
  { steps: [57, 58, 59, 75, 80], reason: "Proxmox lists a non-ASCII file name as its bytes read as Latin-1" },
  { steps: [70], reason: "copying a volume by API is absent" },
  { steps: [113], reason: otherFlows },
]);
