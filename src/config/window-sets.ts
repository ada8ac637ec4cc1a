/** Which time windows are ever open together: what validation needs to find rules that clash for some hours only. */
import type { TimeWindow } from "./model";
import { occurrencesAround, offsetMs, type WindowOccurrence } from "./windows";

const WEEK_MS = 7 * 86_400_000;
const WEEKS_OF_A_YEAR = 53;
/** A fixed Monday: which windows overlap does not depend on when one asks. The year's clock changes stand for all years'. */
const REFERENCE_MS = Date.UTC(2026, 0, 5);

/**
 * The largest sets of windows, as indexes in order, that are open at one moment of a year. A window that is never open
 * together with another makes a set of its own.
 */
export function windowsOpenTogether(windows: readonly TimeWindow[]): number[][] {
  const sets = new Map<string, number[]>();
  for (const weekMs of telltaleWeeks(windows)) {
    const openings = windows.map((window) => occurrencesAround(window, weekMs, -2, 9));
    // Whatever is open together is so at the moment at which the last of them opens.
    for (const { startMs } of openings.flat()) {
      const open = openings.flatMap((own, index) => (own.some((opening) => contains(opening, startMs)) ? [index] : []));
      sets.set(open.join(), open);
    }
  }
  const all = [...sets.values()];
  return all.filter((set) => !all.some((other) => other.length > set.length && set.every((index) => other.includes(index))));
}

function contains({ startMs, endMs }: WindowOccurrence, instantMs: number): boolean {
  return startMs <= instantMs && instantMs < endMs;
}

/** Weeks differ only by what the zones' clocks do: one of each kind, and each in which a clock changes. */
function telltaleWeeks(windows: readonly TimeWindow[]): number[] {
  const zones = [...new Set(windows.map(({ timezone }) => timezone))];
  const weeks = Array.from({ length: WEEKS_OF_A_YEAR + 1 }, (_, week) => REFERENCE_MS + week * WEEK_MS);
  const clocks = weeks.map((weekMs) => zones.map((zone) => offsetMs(weekMs, zone)).join());
  return weeks.filter((_, week) => clocks.indexOf(clocks[week]!) === week || clocks[week] !== clocks[week + 1]).slice(0, -1);
}
