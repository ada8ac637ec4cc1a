import { test } from "vitest";
import { guestFlow } from "./guest-flows";
import { describeReport, replay } from "./replay";

for (const name of (process.env.FLOWS ?? "").split(",")) {
  const [era, flow] = [name.slice(0, 3) as "8.4" | "9.2", name.slice(4)];
  test(name, async () => {
    const kernel = ["auth", "pools", "tasks", "failure", "cluster-reads"].includes(flow);
    const report = await replay(era, flow, kernel ? {} : { world: guestFlow(era, flow) });
    console.log(describeReport(report));
  });
}
