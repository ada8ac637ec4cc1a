/** Waiting for the user's Ctrl-C, or for `kill`. */

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process as usual. */
export function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}

/** Runs rounds of work with pauses between them until interrupted; an interruption ends the pause, not the round. */
export async function repeatUntilInterrupted(pauseMs: number, round: () => Promise<void>): Promise<void> {
  let over = false;
  let wake = () => {};
  void interrupted().then(() => {
    over = true;
    wake();
  });
  while (!over) {
    await round();
    if (over) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
