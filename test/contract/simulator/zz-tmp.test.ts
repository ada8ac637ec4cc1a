import { writeFileSync } from "node:fs";
import { test } from "vitest";
import { describeReport, replay } from "./replay";
import { flowWorld } from "./flow-world";
const flow = process.env.FLOW!; const era = process.env.ERA as "8.4"|"9.2";
test("report", async () => {
  const world = flowWorld(era, flow);
  const node = era === "9.2" && flow === "vm-lifecycle" ? "ca-2" : world.localNode;
  const deletes = flow === "vm-lifecycle" ? [15,23,25,32,40,44,45].map(step=>({ before: step+1, method: "DELETE", path: `/nodes/${node}/qemu/101`, params: {} })) : [];
  const report = await replay(era, flow, { world: { ...world, localNode: node, unrecorded: deletes, compareLogs: process.env.LOGS === "1" } });
  writeFileSync(`/tmp/guests/t/${era}-${flow}.txt`, describeReport(report));
}, 110000);
