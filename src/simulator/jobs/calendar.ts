/**
 * Schedules of jobs: Proxmox's subset of systemd calendar events (`02:30`, `mon..fri 8..17,22:0/15`,
 * `*-1..7 sat 03:00`, `daily`). Nodes of the simulator are in UTC.
 */

/** One field: allowed values, by range and step. Empty: any. */
type Field = { first: number; last: number; step: number }[];

export interface CalendarEvent {
  /** 0 = Sunday. */
  weekdays: Field;
  years: Field;
  months: Field;
  days: Field;
  hours: Field;
  minutes: Field;
  seconds: Field;
}

const dayMs = 24 * 60 * 60_000;
/** A date that never comes is not looked for any longer. */
const searchedDays = 366 * 20;
const weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const any: Field = [];
const only = (value: number): Field => [{ first: value, last: value, step: 1 }];
const midnight = { hours: only(0), minutes: only(0), seconds: only(0) };
const always: CalendarEvent = { weekdays: any, years: any, months: any, days: any, hours: any, minutes: any, seconds: only(0) };

const named: Record<string, CalendarEvent> = {
  minutely: always,
  hourly: { ...always, minutes: only(0) },
  daily: { ...always, ...midnight },
  weekly: { ...always, ...midnight, weekdays: only(1) },
  monthly: { ...always, ...midnight, days: only(1) },
  quarterly: { ...always, ...midnight, months: [{ first: 1, last: 10, step: 3 }], days: only(1) },
  semiannually: { ...always, ...midnight, months: [{ first: 1, last: 7, step: 6 }], days: only(1) },
  yearly: { ...always, ...midnight, months: only(1), days: only(1) },
};
named.annually = named.yearly!;
named["semi-annually"] = named.semiannually!;

class Unparsable extends Error {}

/** A parameter's format: Proxmox's error text, or undefined when the schedule is good. */
export function calendarFormat(text: string): string | undefined {
  return parseCalendarEvent(text) ? undefined : `invalid calendar event '${text}' - unable to parse calendar event\n`;
}

/** `undefined` for a text that is no schedule. */
export function parseCalendarEvent(text: string): CalendarEvent | undefined {
  const parts = text
    .trim()
    .replace(/\s+UTC$/i, "")
    .split(/\s+/);
  if (parts.length === 1 && named[parts[0]!.toLowerCase()]) return named[parts[0]!.toLowerCase()];
  if (parts.length > 3 || parts[0] === "") return undefined;
  try {
    return parseParts(parts);
  } catch (error) {
    if (error instanceof Unparsable) return undefined;
    throw error;
  }
}

function parseParts(parts: string[]): CalendarEvent {
  const event = { ...always };
  const rest = [...parts];
  if (/^[a-z]/i.test(rest[0]!)) event.weekdays = parseWeekdays(rest.shift()!);
  let timed = false;
  if (rest[0]?.includes("-")) Object.assign(event, parseDate(rest.shift()!));
  if (rest.length > 0) {
    Object.assign(event, parseTime(rest.shift()!));
    timed = true;
  }
  if (rest.length > 0) throw new Unparsable();
  // Without a time a day begins at midnight.
  return timed ? event : { ...event, ...midnight };
}

function parseWeekdays(text: string): Field {
  return text.split(",").map((part) => {
    const [from = "", to = from, ...more] = part.toLowerCase().split("..");
    const [first, last] = [from, to].map((name) => weekdayNames.findIndex((short) => name === short || isLongName(short, name)));
    if (first === undefined || last === undefined || first < 0 || last < 0 || more.length > 0) throw new Unparsable();
    // A range over the end of the week goes on at its beginning.
    return { first, last: last < first ? last + 7 : last, step: 1 };
  });
}

function isLongName(short: string, name: string): boolean {
  const long = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
  return long.includes(name) && name.startsWith(short);
}

function parseDate(text: string): Pick<CalendarEvent, "years" | "months" | "days"> {
  const fields = text.split("-");
  if (fields.length < 2 || fields.length > 3) throw new Unparsable();
  const [years, months, days] = fields.length === 3 ? fields : ["*", ...fields];
  return { years: parseField(years!, 1970, 2199), months: parseField(months!, 1, 12), days: parseField(days!, 1, 31) };
}

function parseTime(text: string): Pick<CalendarEvent, "hours" | "minutes" | "seconds"> {
  const fields = text.split(":");
  if (fields.length > 3) throw new Unparsable();
  // A single number is the minute of every hour.
  const [hours, minutes, seconds = "0"] = fields.length === 1 ? ["*", ...fields] : fields;
  return { hours: parseField(hours!, 0, 23), minutes: parseField(minutes!, 0, 59), seconds: parseField(seconds, 0, 59) };
}

function parseField(text: string, least: number, most: number): Field {
  if (text === "*") return any;
  return text.split(",").map((part) => {
    const match = /^(?:(\*)|(\d+)(?:\.\.(\d+))?)(?:\/(\d+))?$/.exec(part);
    if (!match) throw new Unparsable();
    const [, star, from, to, step] = match;
    const first = star ? least : Number(from);
    // A start with a step goes on to the end.
    const last = to !== undefined ? Number(to) : star || step !== undefined ? most : first;
    if (first < least || last > most || last < first || step === "0") throw new Unparsable();
    return { first, last, step: Number(step ?? 1) };
  });
}

function matches(field: Field, value: number): boolean {
  return field.length === 0 || field.some(({ first, last, step }) => value >= first && value <= last && (value - first) % step === 0);
}

/** The first moment after `afterMs` that fits, in ms since the epoch; `undefined` when there is none. */
export function nextEvent(event: CalendarEvent, afterMs: number): number | undefined {
  const earliestMs = (Math.floor(afterMs / 1000) + 1) * 1000;
  const firstDayMs = Math.floor(earliestMs / dayMs) * dayMs;
  for (let day = 0; day < searchedDays; day += 1) {
    const dayStartMs = firstDayMs + day * dayMs;
    if (!fitsDay(event, new Date(dayStartMs))) continue;
    const found = firstOfDay(event, dayStartMs, earliestMs);
    if (found !== undefined) return found;
  }
  return undefined;
}

function fitsDay({ years, months, days, weekdays }: CalendarEvent, date: Date): boolean {
  const weekday = date.getUTCDay();
  return (
    matches(years, date.getUTCFullYear()) &&
    matches(months, date.getUTCMonth() + 1) &&
    matches(days, date.getUTCDate()) &&
    (matches(weekdays, weekday) || matches(weekdays, weekday + 7))
  );
}

function firstOfDay({ hours, minutes, seconds }: CalendarEvent, dayStartMs: number, earliestMs: number): number | undefined {
  for (let hour = 0; hour < 24; hour += 1) {
    const hourMs = dayStartMs + hour * 3_600_000;
    if (!matches(hours, hour) || hourMs + 3_600_000 <= earliestMs) continue;
    for (let minute = 0; minute < 60; minute += 1) {
      const minuteMs = hourMs + minute * 60_000;
      if (!matches(minutes, minute) || minuteMs + 60_000 <= earliestMs) continue;
      for (let second = 0; second < 60; second += 1) {
        const moment = minuteMs + second * 1000;
        if (matches(seconds, second) && moment >= earliestMs) return moment;
      }
    }
  }
  return undefined;
}
