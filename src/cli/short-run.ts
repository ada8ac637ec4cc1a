/**
 * For a call that ends within a second: the code that zod compiles for later repetitions is never used again, and compiling takes
 * longer than it saves. Imported before anything that declares schemas.
 */

// Whatever asks clusters goes on for longer, and repeats itself. Loaded on demand, because `--help` needs no zod.
if (process.argv.includes("validate") && !process.argv.includes("--check-connectivity")) {
  const { z } = require("zod") as typeof import("zod");
  z.config({ jitless: true });
}
