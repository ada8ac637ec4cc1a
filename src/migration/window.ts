/** Whether a move may start now. Pure: the instant is an argument. */
import { isWithinWindow, nextWindow } from "../config";
import type { Route } from "./route";

/** Why not, with the next opening; `undefined` when it may. */
export function windowRefusal(route: Route, nowMs: number): string | undefined {
  const { window } = route;
  if (!window || isWithinWindow(window, nowMs)) return undefined;
  const { startMs, endMs } = nextWindow(window, nowMs);
  const local = new Intl.DateTimeFormat("en-GB", { timeZone: window.timezone, dateStyle: "medium", timeStyle: "short" });
  return `the migration window from ${route.source} to ${route.target} is closed: it opens ${local.format(startMs)} and closes ${local.format(endMs)} (${window.timezone}). Run again then, or override it for this stack: pulumi config set proxmox-federation:overrideWindow true`;
}
