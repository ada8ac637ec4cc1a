import { z } from "zod";
import type { Weekday } from "../model";
import { isTimezone, WEEKDAYS } from "../windows";
import { refined, text, ValueError } from "./scalars";

const weekday = z.enum(WEEKDAYS as [Weekday, ...Weekday[]]);

/** Minutes after midnight. */
const timeOfDay = (latest: number) =>
  refined(z.union([z.string(), z.number()], { error: "must be a time such as 22:00" }), (value) => {
    const match = typeof value === "string" ? /^(\d{1,2}):(\d{2})$/.exec(value) : null;
    const minutes = match ? Number(match[1]) * 60 + Number(match[2]) : Number.NaN;
    if (!match || Number(match[2]) > 59 || !(minutes <= latest))
      throw new ValueError(`${JSON.stringify(value)} is not a time of day`, 'Write hours and minutes in quotes, for example "22:00".');
    return minutes;
  });

const timezone = refined(text(), (value) => {
  if (!isTimezone(value))
    throw new ValueError(`${JSON.stringify(value)} is not a time zone`, "Use an IANA name such as Europe/Amsterdam, or UTC.");
  return value;
});

/** Hours of a day in a time zone: when moves may start, when a rule or a strategy holds. */
export const timeWindow = refined(
  z.strictObject({
    days: z.array(weekday).min(1, "must name at least one day").optional().describe("Days on which the window starts; default: every day."),
    start: timeOfDay(24 * 60 - 1).describe("Local time, hh:mm."),
    end: timeOfDay(24 * 60).describe("Local time, hh:mm, at most 24:00. Not after start: on the next day."),
    timezone: timezone.optional().describe("IANA name; default UTC."),
  }),
  ({ days, start, end, timezone: zone }) => {
    if (start === end) throw new ValueError("the window starts when it ends", 'Write start "00:00" and end "24:00" for a whole day.');
    return { days: WEEKDAYS.filter((day) => days?.includes(day) ?? true), startMinute: start, endMinute: end, timezone: zone ?? "UTC" };
  },
);
