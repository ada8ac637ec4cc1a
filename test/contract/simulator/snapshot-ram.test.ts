import { describeFlow } from "./guest-replay";

describeFlow("snapshot-ram", [
  { steps: [7], reason: "the state of an idle guest's memory is smaller than what is set aside for it" },
  { steps: [19], era: "8.4", reason: "which CPU and machine a hibernated guest ran on is not kept" },
  {
    steps: [11, 12, 13, 14, 18, 19, 20, 21],
    era: "9.2",
    reason: "on the slow recorded machine cleaning up after a rollback held the guest's lock for 30 s",
  },
]);
