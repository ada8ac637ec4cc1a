/** What a step of work needs of the worker it runs in; a synchronous call runs the same steps without a log. */
import type { BackendState, TaskContext, World } from "../kernel";

export type Work = Pick<TaskContext, "log" | "pass" | "transfer" | "killed">;

/** For steps that run inside the call itself: nobody reads a log, nothing can be stopped. */
export function synchronousWork(world: World): Work {
  return {
    log: () => {},
    pass: (virtualMs) => world.clock.sleep(virtualMs),
    transfer: (bytes, through, limitBytesPerSecond) => world.clock.sleep((1000 * bytes) / slowest(world, through, limitBytesPerSecond)),
    killed: false,
  };
}

function slowest(world: World, through: readonly string[], limitBytesPerSecond: number | undefined): number {
  const backends = through.map((resource): BackendState | undefined => world.state.backends[resource.replace(/^backend:/, "")]);
  return Math.min(
    limitBytesPerSecond || Number.POSITIVE_INFINITY,
    ...backends.map((backend) => backend?.bytesPerSecond ?? Number.POSITIVE_INFINITY),
  );
}

/**
 * Runs `undo` when `work` fails or is stopped. A killed worker undoes nothing: what it has made stays.
 */
export async function undoing<T>(context: Pick<Work, "killed">, work: () => Promise<T>, undo: (error: unknown) => void): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!context.killed) undo(error);
    throw error;
  }
}
