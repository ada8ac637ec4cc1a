import { writeFileSync } from "node:fs";
import { test } from "vitest";
import { describeReport, replay } from "./replay";
import { guestFlow } from "./guest-flows";
for (const flow of process.env.FLOW!.split(",")) for (const era of process.env.ERA!.split(",") as ("8.4"|"9.2")[])
test(`${flow} ${era}`, async () => {
  const report = await replay(era, flow, { upTo: process.env.UPTO ? Number(process.env.UPTO) : undefined, world: { ...guestFlow(era, flow), compareLogs: process.env.LOGS === "1" } });
  writeFileSync(`/tmp/guests/t/${era}-${flow}.txt`, describeReport(report));
}, 110000);
