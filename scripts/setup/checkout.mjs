import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { ensureBuild } from "./build.mjs";
import { ensureCacheDirectory } from "./cache.mjs";
import { ensureDependencies } from "./dependencies.mjs";
import { withLock } from "./lock.mjs";

/**
 * Dependencies and build of a checkout, by one set-up at a time: two commands started together must not install into, or
 * compile into, the same folders.
 *
 * @param {string} root the repository
 * @param {(line: string) => void} log
 */
export async function ensureCheckout(root, log) {
  // npm ci empties node_modules, and the checkout itself may be read by others, so the lock lies in the cache.
  const name = createHash("sha256").update(realpathSync(root)).digest("hex").slice(0, 16);
  const lock = join(ensureCacheDirectory(), `checkout-${name}.lock`);
  const onWait = (holder) => log(`Another set-up (process ${holder.pid} on ${holder.host}) is preparing this checkout; waiting for it …`);
  await withLock(
    lock,
    async () => {
      await ensureDependencies(root, log);
      await ensureBuild(root, log);
    },
    { onWait },
  );
}
