#!/usr/bin/env node
/**
 * examples/zoned-storage from end to end: a database on a Kubernetes volume, moved inside its zone, to another zone and to
 * another region. The Proxmox clusters are simulated, the Kubernetes control plane and the Pulumi engine are real.
 */
import { step, tell } from "./demo/narration.mjs";
import { createZonedDemo } from "./demo/zoned-storage.mjs";

if (process.argv.includes("--help")) {
  console.log("npm run demo:kubernetes\n\n  Builds Kubernetes from its Go modules first, where that has not been done yet.");
  process.exit(0);
}

const startedMs = Date.now();
const up = ["up", "--yes", "--skip-preview", "--suppress-permalink=true"];
const preview = ["preview", "--suppress-permalink=true"];
const demo = await createZonedDemo();
try {
  step("Two Proxmox clusters under one Kubernetes cluster");
  await demo.describeParts();

  step("pulumi up: workers in three zones, a volume in the first with its PersistentVolume and claim");
  await demo.pulumi(up);
  await demo.joinWorkers();

  step("A database on the volume");
  await demo.startDatabase();
  let data = await demo.writeData();

  step("Its worker is drained: the pod moves inside the zone, the CSI plugin carries the disk over, Pulumi has nothing to do");
  await demo.moveInsideZone();
  await demo.pulumi([...preview, "--expect-no-changes"]);

  step("Another zone: refused as long as nobody allows the move");
  await demo.configure({ zone: "ams-2" });
  await demo.pulumi(preview, { fails: true });

  step("Allowed: the database is scaled down, the disk moves, claim and database come back on it");
  await demo.configure({ allowMove: "true" });
  await demo.pulumi([...preview, "--diff"]);
  await demo.pulumi(up);
  await demo.showPod();
  data = await demo.proveData(data);

  step("Another region: by backup and restore");
  await demo.configure({ region: "eu-fra", zone: "fra-1" });
  await demo.pulumi(up);
  await demo.showPod();
  await demo.proveData(data);

  step("pulumi destroy");
  await demo.stopDatabase();
  await demo.pulumi(["destroy", "--yes", "--skip-preview", "--suppress-permalink=true"]);
  await demo.proveEmpty();
  tell(`\nDone in ${Math.round((Date.now() - startedMs) / 1000)} s.`);
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  await demo.stop();
}
