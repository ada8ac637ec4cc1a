/**
 * Shows how far a counted piece of work is: one line rewritten in place on a terminal, else a plain line for each tenth.
 *
 * @param {(done: number, total: number) => string} describe
 * @param {number} total
 * @param {{ isTTY?: boolean, columns?: number, write(text: string): unknown }} [stream]
 */
export function createProgress(describe, total, stream = process.stderr) {
  let done = 0;
  let shownTenth = -1;
  return {
    advance() {
      done = Math.min(done + 1, total);
      if (stream.isTTY) {
        stream.write(`\r\x1b[K${describe(done, total).slice(0, (stream.columns ?? 80) - 1)}`);
        return;
      }
      const tenth = Math.floor((done * 10) / total);
      if (tenth === shownTenth) return;
      shownTenth = tenth;
      stream.write(`${describe(done, total)}\n`);
    },
    end() {
      if (stream.isTTY && done > 0) stream.write("\n");
    },
  };
}
