/**
 * For a call that ends within a second: optimized code is finished when it is hardly used any more, and making it takes longer
 * than it saves. Imported before anything that declares schemas.
 */
import { setFlagsFromString } from "node:v8";

/** Bytecode a function runs before V8 looks at it again: some 15 times as much as it is otherwise, so a huge file still gets there. */
const interruptBudget = 2_000_000;

// Whatever asks clusters goes on for longer, and repeats itself. zod is loaded on demand, because `--help` needs none.
if (process.argv.includes("validate") && !process.argv.includes("--check-connectivity")) {
  setFlagsFromString(`--interrupt-budget=${interruptBudget}`);
  const { z } = require("zod") as typeof import("zod");
  z.config({ jitless: true });
}
