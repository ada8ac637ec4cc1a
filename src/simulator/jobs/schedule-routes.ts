/** `/cluster/jobs`: what a schedule means. */
import { optional } from "../fields";
import type { Call, Route } from "../kernel";
import { calendarFormat, nextEvent, parseCalendarEvent } from "./calendar";

export const scheduleRule = { type: "string", maxLength: 128, format: calendarFormat } as const;

const defaultIterations = 10;

function analyze(call: Call): unknown {
  const event = parseCalendarEvent(String(call.params.schedule))!;
  const rows: { timestamp: number; utc: string }[] = [];
  let atMs = call.params.starttime === undefined ? call.world.clock.nowMs() : Number(call.params.starttime) * 1000;
  for (let count = 0; count < Number(call.params.iterations ?? defaultIterations); count += 1) {
    const next = nextEvent(event, atMs);
    if (next === undefined) break;
    rows.push({ timestamp: next / 1000, utc: perlTime(next) });
    atMs = next;
  }
  return rows;
}

/** `Mon Nov 23 02:30:00 2026`, the day padded with a blank. */
function perlTime(atMs: number): string {
  const [weekday = "", day = "", month = "", year = "", time = ""] = new Date(atMs).toUTCString().replace(",", "").split(" ");
  return `${weekday} ${month} ${String(Number(day)).padStart(2, " ")} ${time} ${year}`;
}

export const scheduleRoutes: Route[] = [
  {
    method: "GET",
    path: "/cluster/jobs",
    parameters: {},
    handler: () => [{ subdir: "schedule-analyze" }, { subdir: "realm-sync" }],
  },
  {
    method: "GET",
    path: "/cluster/jobs/schedule-analyze",
    parameters: {
      schedule: scheduleRule,
      starttime: optional({ type: "integer" }),
      iterations: optional({ type: "integer", minimum: 1, maximum: 100 }),
    },
    handler: analyze,
  },
];
