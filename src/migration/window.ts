/** Whether a move may start now, and waiting until it may. */
import { isWithinWindow, nextWindow, roundedDuration, WEEKDAYS } from "../config";
import type { Pace } from "./operations";
import type { Route } from "./route";

const DAY_MS = 24 * 3600 * 1000;
/** How often a wait tells how long it still takes. */
const LOOK_EVERY_MS = 60_000;

/** Why not, with the next opening; `undefined` when it may, or may wait for it. Pure: the instant is an argument. */
export function windowRefusal(route: Route, nowMs: number): string | undefined {
  const opening = nextOpening(route, nowMs);
  if (!opening) return undefined;
  const { startMs } = opening;
  const longest = route.longestWindowWaitMs ?? DAY_MS;
  if (route.outsideWindow === "wait" && startMs - nowMs <= longest) return undefined;
  const tooLong = route.outsideWindow === "wait" ? ` That is further away than max_window_wait (${roundedDuration(longest)}).` : "";
  return `the migration window from ${route.source} to ${route.target} is closed: it ${describeOpening(route, opening)}.${tooLong} Run again then, or override it for this stack: pulumi config set proxmox-federation:overrideWindow true`;
}

export function isWindowOpen(route: Route, nowMs: number): boolean {
  return nextOpening(route, nowMs) === undefined;
}

/** For the preview. Says nothing of the hour: a plan made now is carried out later, and must still be the same plan. */
export function describeWindow({ window, outsideWindow, longestWindowWaitMs = DAY_MS }: Route): string | undefined {
  if (!window) return undefined;
  const days = window.days.length === WEEKDAYS.length ? "every day" : window.days.join(", ");
  const hours = `${formatTime(window.startMinute)} to ${formatTime(window.endMinute)} (${window.timezone})`;
  const outside = outsideWindow === "wait" ? `the update waits for it, at most ${roundedDuration(longestWindowWaitMs)}` : "refused";
  return `${days} ${hours}; outside: ${outside}`;
}

function formatTime(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

/** Resolves when the move may start. @throws when it may not wait, or not that long. */
export async function awaitWindow(name: string, route: Route, pace: Pace): Promise<void> {
  const sinceMs = pace.nowMs();
  for (let told = false; ; told = true) {
    const nowMs = pace.nowMs();
    const opening = nextOpening(route, nowMs);
    if (!opening) return;
    const refusal = windowRefusal({ ...route, longestWindowWaitMs: (route.longestWindowWaitMs ?? DAY_MS) - (nowMs - sinceMs) }, nowMs);
    if (refusal !== undefined) throw new Error(`${name} is not moved now: ${refusal}`);
    const leftMs = opening.startMs - nowMs;
    if (!told) pace.report(`${name}: waiting for the migration window: it ${describeOpening(route, opening)}`);
    pace.progress(`${name}: the migration window opens in ${roundedDuration(leftMs)}`);
    await pace.sleep(Math.min(leftMs, LOOK_EVERY_MS));
    pace.signal?.throwIfAborted();
  }
}

function nextOpening({ window }: Route, nowMs: number): { startMs: number; endMs: number } | undefined {
  return window && !isWithinWindow(window, nowMs) ? nextWindow(window, nowMs) : undefined;
}

function describeOpening({ window }: Route, { startMs, endMs }: { startMs: number; endMs: number }): string {
  const zone = window?.timezone ?? "UTC";
  const local = new Intl.DateTimeFormat("en-GB", { timeZone: zone, dateStyle: "medium", timeStyle: "short" });
  return `opens ${local.format(startMs)} and closes ${local.format(endMs)} (${zone})`;
}
