#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { ensureCheckout, ensureEngine, ensureKubernetes, requireNode, SetupError } from "./setup/index.mjs";

// Everything `npm test` and `npm run demo` need, on a fresh clone or a used one. It runs before the first `npm ci`, so it
// depends on nothing but Node. `--no-engine` leaves the Pulumi engine out, `--kubernetes` adds the Kubernetes control plane.

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");
const log = (line) => console.error(line);

try {
  requireNode();
  await ensureCheckout(root, log);
  if (!process.argv.includes("--no-engine")) {
    const engine = await ensureEngine(root, log);
    log(`Pulumi engine ${engine.version} (${engine.source}): ${engine.pulumi}`);
  }
  if (process.argv.includes("--kubernetes")) {
    const kubernetes = await ensureKubernetes(root, log);
    log(`Kubernetes ${kubernetes.version}: ${kubernetes.binDir}`);
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  log(`\nSet-up failed: ${error.message}`);
  process.exitCode = 1;
}
