/** Schedules: cron, as other tools write it, turned into the calendar events of Proxmox. Pure. */

const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const HIGHEST = { minute: 59, hour: 23 };

/**
 * `0 2 * * 1-5` → `mon..fri 02:00`; what has not five fields is taken as a calendar event.
 * @returns `undefined` for cron with days of the month or months, and for what is neither.
 */
export function cronToCalendarEvent(text: string): string | undefined {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 5) return isCalendarEvent(text.trim()) ? text.trim() : undefined;
  const [minute, hour, day, month, weekday] = fields as [string, string, string, string, string];
  if (day !== "*" || month !== "*") return undefined;
  const days = weekday === "*" ? "" : weekdaysOf(weekday);
  const minutes = timesOf(minute, "minute");
  const hours = timesOf(hour, "hour");
  if (days === undefined || minutes === undefined || hours === undefined) return undefined;
  return `${days === "" ? "" : `${days} `}${hours}:${minutes}`;
}

/** `5`, `1,31`, `*`, `*` with a step, `8-17`. */
function timesOf(field: string, unit: "minute" | "hour"): string | undefined {
  if (field === "*") return "*";
  const every = /^\*\/(\d{1,2})$/.exec(field);
  if (every) return isWithin(every[1]!, 1, HIGHEST[unit]) ? `0/${Number(every[1])}` : undefined;
  const parts = field.split(",").map((part) => {
    const [first, last, ...rest] = part.split("-");
    if (rest.length > 0 || !isWithin(first!, 0, HIGHEST[unit]) || (last !== undefined && !isWithin(last, Number(first), HIGHEST[unit])))
      return undefined;
    return last === undefined ? twoDigits(first!) : `${twoDigits(first!)}..${twoDigits(last)}`;
  });
  return parts.includes(undefined) ? undefined : parts.join(",");
}

/** Cron counts from Sunday, and knows it as 0 and as 7. */
function weekdaysOf(field: string): string | undefined {
  const names = field.split(",").map((part) => {
    const ends = part
      .split("-")
      .map((end) => (isWithin(end, 0, 7) ? WEEKDAYS[Number(end) % 7] : WEEKDAYS.find((name) => name === end.toLowerCase())));
    return ends.length > 2 || ends.includes(undefined) ? undefined : ends.join("..");
  });
  return names.includes(undefined) ? undefined : names.join(",");
}

/** The shape only; the cluster has the last word. */
function isCalendarEvent(text: string): boolean {
  if (/^(?:minutely|hourly|daily|weekly|monthly|yearly|quarterly|semiannually|annually)$/.test(text)) return true;
  return (
    /^(?:[a-z]{3}(?:\.\.[a-z]{3})?(?:,[a-z]{3}(?:\.\.[a-z]{3})?)* ?)?(?:[\d*/.,-]+ )?(?:[\d*/.,]+:[\d*/.,]+(?::[\d*/.,]+)?|[\d*/.,]+)?$/.test(
      text,
    ) && text !== ""
  );
}

function isWithin(text: string, lowest: number, highest: number): boolean {
  return /^\d{1,2}$/.test(text) && Number(text) >= lowest && Number(text) <= highest;
}

function twoDigits(text: string): string {
  return text.padStart(2, "0");
}
