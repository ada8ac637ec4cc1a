#!/usr/bin/env node
/**
 * The guide's first scenario on a simulated federation, with the real Pulumi engine: lay it out, drain a cluster, read the
 * preview, move, prove that the data arrived, tear down. `--keep` leaves simulator and stack running to play with.
 */
import { createDemo } from "./demo/demo.mjs";
import { step, tell } from "./demo/narration.mjs";

const keep = process.argv.includes("--keep");
if (process.argv.includes("--help")) {
  console.log("npm run demo [-- --keep]\n\n  --keep   leave the simulated clusters and the stack running, and say how to use them");
  process.exit(0);
}

const startedMs = Date.now();
const demo = await createDemo();
const interrupted = new Promise((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"])
    process.once(signal, () => {
      demo.interrupt();
      resolve(signal);
    });
});

try {
  step("Three Proxmox clusters and a backup server, simulated");
  demo.describeClusters();

  step("pulumi up: pools, VMs and a data disk; placement is decided in the preview");
  await demo.pulumi("up", "--yes");

  step("The servers write data");
  const before = await demo.writeData();

  step("Maintenance: federation.yaml says that worldstream-prod is draining");
  await demo.drain("worldstream-prod");

  step("pulumi preview --diff: what moves, where to, how, how long, and why");
  await demo.pulumi("preview", "--diff");

  step("pulumi up: each VM is backed up, restored at the other site, verified and started; then the source goes");
  await demo.pulumi("up", "--yes", "--skip-preview");

  step("Did the data arrive? Checksums of every block of every disk");
  await demo.proveData(before);

  step("pulumi refresh and another preview: nothing has drifted, nothing is left to do");
  await demo.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes");
  await demo.pulumi("preview", "--expect-no-changes");

  if (keep) {
    step("Left running, as asked");
    demo.describeUse();
    await interrupted;
  } else {
    step("pulumi destroy");
    await demo.pulumi("destroy", "--yes", "--skip-preview");
    await demo.proveEmpty();
  }
  tell(`\nDone in ${Math.round((Date.now() - startedMs) / 1000)} s.`);
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  await demo.stop();
}
