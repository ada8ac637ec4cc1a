import { test } from "vitest";
import { startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";
test("try", async () => {
  const s = await startSimulatedFederation();
  try {
    for (const argv of [["validate"], ["validate", "--check-connectivity"], ["status"]]) {
      const r = await federate(argv, s.env);
      console.log(argv.join(" "), r.code, "\n" + r.out, r.err);
    }
  } finally { await s.stop(); }
});
