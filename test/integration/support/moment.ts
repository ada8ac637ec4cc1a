/** Acting at one exact moment of a running command, told by the state of the simulated clusters. */
import type { SimulatorWorld } from "../../../src/simulator";
import type { RunningCommand } from "../../support/engine";

/**
 * Calls `act` within the very change of state that makes `condition` true: nothing else of the simulator happens in
 * between, so that not even a moment that lasts a millisecond is missed. Rejects when the command ends before.
 */
export async function atMoment<T>(
  world: SimulatorWorld,
  condition: () => boolean,
  command: RunningCommand,
  act: () => Promise<T>,
): Promise<T> {
  const touch = world.touch;
  try {
    return await new Promise<T>((resolve, reject) => {
      let reached = false;
      world.touch = () => {
        touch.call(world);
        if (reached || !condition()) return;
        reached = true;
        act().then(resolve, reject);
      };
      command.ended.then(({ code, stdout, stderr }) => {
        if (!reached) reject(new Error(`the command ended with exit code ${code} before the moment came:\n${stdout}\n${stderr}`));
      }, reject);
    });
  } finally {
    world.touch = touch;
  }
}
