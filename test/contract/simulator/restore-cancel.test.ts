import { describeFlow } from "./guest-replay";

describeFlow("restore-cancel", []);
