/** Clock, waiting and progress of a provider process. */
import { setTimeout as delay } from "node:timers/promises";
import type { Pace } from "../migration";

export type RunPace = Pace;

/** The engine shows what a dynamic provider writes to stdout as information under the stack. */
export function createPace(): RunPace {
  return {
    nowMs: () => Date.now(),
    sleep: (ms) => delay(ms),
    report: (message) => console.log(message),
  };
}
