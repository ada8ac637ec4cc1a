/**
 * For a call that ends within a second: what takes longer to make than it saves is left out. Imported before anything that
 * declares schemas.
 */
import Module from "node:module";
import { setFlagsFromString } from "node:v8";

/**
 * Bytecode a function runs before V8 thinks of optimizing it: some 15 times the default. Optimized code would be finished when it is
 * hardly used any more; a huge file still gets there.
 */
const interruptBudget = 2_000_000;

// Whatever asks clusters goes on for longer, and repeats itself. zod is loaded on demand, because `--help` needs none.
if (process.argv.includes("validate") && !process.argv.includes("--check-connectivity")) {
  setFlagsFromString(`--interrupt-budget=${interruptBudget}`);
  leaveOut("zod/v4/locales");
  const { z } = require("zod") as typeof import("zod");
  // Code that zod compiles for repetitions.
  z.config({ jitless: true });
}

/** Messages in fifty languages, a file each. Ours are our own; zod's English ones it loads from another file. */
function leaveOut(name: string): void {
  const file = require.resolve(name);
  require.cache[file] = Object.assign(new Module(file), { loaded: true });
}
