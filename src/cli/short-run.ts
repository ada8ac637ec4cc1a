/**
 * For a call that ends within a second: the code that zod compiles for later repetitions is never used again, and compiling takes
 * longer than it saves. Imported before anything that declares schemas.
 */
import { z } from "zod";

// Whatever asks clusters goes on for longer, and repeats itself.
if (process.argv.includes("validate") && !process.argv.includes("--check-connectivity")) z.config({ jitless: true });
