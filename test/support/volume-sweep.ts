/** An operation on a Kubernetes volume, with a fault at each of its calls in turn. */
import { type Fault, matters } from "./fake-world";
import type { VolumeScenario } from "./volume-scenario";

export type SweepSteps = [
  before: () => Promise<void>,
  work: () => Promise<unknown>,
  /** Once the work was repeated without the fault. */
  after: () => Promise<void>,
  between?: () => Promise<void>,
];

/**
 * Runs `work` with that fault at each of its calls in turn, on a scenario of its own each time.
 * @returns how many calls it could hit
 */
export async function sweepFault(
  fault: Fault,
  begin: () => VolumeScenario,
  ...[before, work, after, between = async () => undefined]: SweepSteps
): Promise<number> {
  let points = 0;
  for (let nth = 1; ; nth++) {
    const scenario = begin();
    await before();
    const first = scenario.world.calls.length;
    let hit = "";
    scenario.world.fault = (call) => {
      if (call.index !== first + nth) return undefined;
      if (!matters(call, fault)) return undefined;
      hit = `${call.cluster} ${call.name}`;
      return fault;
    };
    let failure: unknown;
    try {
      await work();
    } catch (error) {
      failure = error;
    }
    const total = scenario.world.calls.length - first;
    scenario.world.fault = () => undefined;
    if (nth > total) return points;
    if (hit === "") continue;
    points++;
    if (scenario.world.isKilled) scenario.world.revive(0);
    try {
      await between();
      await work();
      await after();
    } catch (error) {
      throw new Error(`${fault} at call ${nth}, ${hit} (first run: ${failure}): ${error}`, { cause: error });
    }
  }
}
