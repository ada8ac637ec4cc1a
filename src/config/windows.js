"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.WEEKDAYS = void 0;
exports.isTimezone = isTimezone;
exports.describeWindow = describeWindow;
exports.isWithinWindow = isWithinWindow;
exports.windowAt = windowAt;
exports.nextWindow = nextWindow;
exports.occurrencesAround = occurrencesAround;
exports.offsetMs = offsetMs;
exports.WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** A weekly window that one change of the clock swallowed opens a week later. */
const SEARCH_DAYS = 15;
const formatters = new Map();
/** Whether the IANA name is known to this runtime. */
function isTimezone(name) {
    try {
        formatterOf(name);
        return true;
    }
    catch (error) {
        if (error instanceof RangeError)
            return false;
        throw error;
    }
}
/** `mon–fri 22:00–06:00 Europe/Amsterdam`; without days where it opens every day. */
function describeWindow({ days, startMinute, endMinute, timezone }) {
    const hours = `${clockTime(startMinute)}–${clockTime(endMinute)} ${timezone}`;
    return days.length === exports.WEEKDAYS.length ? hours : `${describeDays(days)} ${hours}`;
}
/** Runs of three and more days as `mon–fri`, the rest one by one. */
function describeDays(days) {
    const runs = [];
    for (const [index, day] of exports.WEEKDAYS.entries()) {
        if (!days.includes(day))
            continue;
        const before = exports.WEEKDAYS[index - 1];
        if (before !== undefined && days.includes(before))
            runs.at(-1).push(day);
        else
            runs.push([day]);
    }
    return runs.map((run) => (run.length > 2 ? `${run[0]}–${run.at(-1)}` : run.join(", "))).join(", ");
}
function clockTime(minutes) {
    return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}
function isWithinWindow(window, instantMs) {
    return windowAt(window, instantMs) !== undefined;
}
/** The opening that contains the instant, or `undefined` when the window is closed. */
function windowAt(window, instantMs) {
    // A window opened yesterday may still be open; two days back covers zones that skip a day.
    return occurrencesAround(window, instantMs, -2, 1).find(({ startMs, endMs }) => startMs <= instantMs && instantMs < endMs);
}
/** The opening that contains the instant, else the next one. */
function nextWindow(window, instantMs) {
    const next = occurrencesAround(window, instantMs, -2, SEARCH_DAYS).find(({ endMs }) => instantMs < endMs);
    if (!next)
        throw new RangeError(`the window of ${window.timezone} does not open within ${SEARCH_DAYS} days`);
    return next;
}
/** Every opening that starts on one of the days around an instant, counted from its local day. */
function occurrencesAround(window, aroundMs, fromDay, toDay) {
    const localDay = Math.floor(toLocalMs(aroundMs, window.timezone) / DAY_MS);
    const found = [];
    for (let day = localDay + fromDay; day <= localDay + toDay; day++) {
        if (!window.days.includes(weekdayOf(day)))
            continue;
        const endDay = window.endMinute <= window.startMinute ? day + 1 : day;
        const startMs = toInstantMs(day * DAY_MS + window.startMinute * MINUTE_MS, window.timezone);
        const endMs = toInstantMs(endDay * DAY_MS + window.endMinute * MINUTE_MS, window.timezone);
        if (startMs < endMs)
            found.push({ startMs, endMs });
    }
    return found;
}
/** Day 0 is 1 January 1970, a Thursday. */
function weekdayOf(day) {
    return exports.WEEKDAYS[(((day + 3) % 7) + 7) % 7];
}
/** Wall-clock time (as if it were UTC) → first instant at which the zone's clocks show it or have passed it. */
function toInstantMs(localMs, timezone) {
    const candidates = [localMs - DAY_MS, localMs + DAY_MS].map((nearMs) => localMs - offsetMs(nearMs, timezone));
    const valid = candidates.filter((instantMs) => toLocalMs(instantMs, timezone) === localMs);
    if (valid.length > 0)
        return Math.min(...valid);
    // Skipped: the change lies between the two readings; find its first minute.
    let before = Math.min(...candidates) - MINUTE_MS;
    let after = Math.max(...candidates) + MINUTE_MS;
    while (after - before > MINUTE_MS) {
        const middle = before + Math.floor((after - before) / 2 / MINUTE_MS) * MINUTE_MS;
        if (toLocalMs(middle, timezone) >= localMs)
            after = middle;
        else
            before = middle;
    }
    return after;
}
function toLocalMs(instantMs, timezone) {
    return instantMs + offsetMs(instantMs, timezone);
}
/** By how much the zone's clocks are ahead of UTC at an instant. */
function offsetMs(instantMs, timezone) {
    const seconds = Math.floor(instantMs / 1000) * 1000;
    const parts = new Map(formatterOf(timezone)
        .formatToParts(seconds)
        .map(({ type, value }) => [type, value]));
    const part = (type) => Number(parts.get(type));
    return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second")) - seconds;
}
function formatterOf(timezone) {
    let formatter = formatters.get(timezone);
    if (!formatter) {
        formatter = new Intl.DateTimeFormat("en-US", {
            timeZone: timezone,
            hourCycle: "h23",
            year: "numeric",
            month: "numeric",
            day: "numeric",
            hour: "numeric",
            minute: "numeric",
            second: "numeric",
        });
        formatters.set(timezone, formatter);
    }
    return formatter;
}
