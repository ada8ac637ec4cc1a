import { join } from "node:path";
import { ensureBuild } from "../../scripts/setup/index.mjs";

/**
 * Vitest's global set-up for projects that run the compiled package: the provider process loads it from `dist`, which must
 * not be older than the sources when vitest is started by hand.
 */
export async function setup(): Promise<void> {
  await ensureBuild(join(__dirname, "..", ".."), (line) => console.error(line));
}
