/**
 * The sweep over the real provider process and the simulator. `npm run chaos` tries every point; in `npm test` a fixed sample
 * of a few scenarios stands for it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SharedClock } from "../support/shared-clock/shared-clock";
import { SCENARIOS } from "./sweep/scenarios";
import { selection, selectPoints } from "./sweep/selection";
import { type PointResult, Sweep } from "./sweep/sweep";

const hours = (count: number) => count * 3_600_000;
const REPORT_EVERY_MS = 15_000;

const chosen = selection(process.env);
const say = (line: string) => process.stderr.write(`${line}\n`);
let total = 0;

let clock: SharedClock;
beforeAll(async () => {
  clock = await SharedClock.start();
});
afterAll(() => {
  clock.stop();
  say(`sweep: ${total} points tried in all${chosen.isSample ? " (a sample; npm run chaos tries every one)" : ""}`);
});

describe("interrupted at any API call, and run again,", () => {
  it.each(SCENARIOS.filter(({ name }) => chosen.scenarios(name)).map((scenario) => [scenario.name, scenario] as const))(
    "%s ends as if nothing had happened",
    async (name, scenario) => {
      const sweep = await Sweep.prepare(scenario, clock);
      const bad: string[] = [];
      try {
        const points = selectPoints(sweep.points, name, chosen);
        const startedMs = performance.now();
        let saidMs = startedMs;
        let known = 0;
        const commands = new Set<string>();
        for (const [done, point] of points.entries()) {
          const result = await sweep.try(point);
          total++;
          if (result.known) known++;
          for (const command of result.commands) commands.add(command);
          if (result.flaws.length > 0) {
            bad.push(describeFailure(result));
            say(bad.at(-1)!);
          }
          if (performance.now() - saidMs < REPORT_EVERY_MS) continue;
          saidMs = performance.now();
          say(`sweep: ${name}: ${done + 1} of ${points.length} points, ${bad.length} failed`);
        }
        const seconds = Math.round((performance.now() - startedMs) / 1000);
        say(
          `sweep: ${name}: ${points.length} points tried of ${sweep.points.length} (${sweep.calls.length} calls), ${bad.length} failed, ${known} ended where an earlier one had, ${seconds} s${commands.size > 0 ? `; an administrator had to: ${[...commands].join(", ")}` : ""}`,
        );
        expect(points.length, "points that were selected").toBeGreaterThan(0);
      } finally {
        await sweep.end();
      }
      expect(bad).toEqual([]);
      expect(clock.forced, "moments at which the clock moved on by force").toBe(0);
    },
    hours(12),
  );
});

function describeFailure({ point, call, said, flaws }: PointResult): string {
  const lines = [`FAILED ${point}`, `  at ${call}`, `  it said: ${said || "nothing"}`, ...flaws.map((flaw) => `  ${flaw}`)];
  return [...lines, `  again: npm run chaos -- --only "${point}"`].join("\n");
}
