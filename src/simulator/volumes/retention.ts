/** Which archives a retention keeps: `keep-last=3,keep-daily=2`. */

export type Retention = Partial<Record<(typeof retentionKeys)[number], number>>;

export const retentionKeys = ["keep-all", "keep-last", "keep-hourly", "keep-daily", "keep-weekly", "keep-monthly", "keep-yearly"] as const;

/** Error text of a bad retention, or undefined. */
export function retentionFormat(value: string): string | undefined {
  for (const part of value.split(",")) {
    const [key = "", count] = part.split("=");
    const problem = !isRetentionKey(key)
      ? "property is not defined in schema and the schema does not allow additional properties"
      : count === undefined || key === "keep-all"
        ? undefined
        : countProblem(count);
    if (problem !== undefined) return `format error\nprune-backups.${key}: ${problem}`;
  }
  const keep = parseRetention(value);
  return keep["keep-all"] && Object.keys(keep).length > 1 ? "keep-all cannot be set together with other options." : undefined;
}

function countProblem(count: string): string | undefined {
  if (!/^[+-]?\d+$/.test(count)) return `type check ('integer') failed - got '${count}'`;
  return count.startsWith("-") ? "value must have a minimum value of 0" : undefined;
}

function isRetentionKey(key: string): key is (typeof retentionKeys)[number] {
  return (retentionKeys as readonly string[]).includes(key);
}

export function parseRetention(value: string | undefined): Retention {
  const keep: Retention = {};
  for (const part of (value ?? "").split(",")) {
    const [key = "", count] = part.split("=");
    if (isRetentionKey(key)) keep[key] = key === "keep-all" ? (/^(0|no|off|false)$/i.test(count ?? "") ? 0 : 1) : Number(count);
  }
  return keep;
}

/** As vzdump logs it. */
export function formatRetention(keep: Retention): string {
  return retentionKeys
    .filter((key) => (keep[key] ?? 0) > 0)
    .map((key) => `${key}=${keep[key]}`)
    .join(", ");
}

export function keepsEverything(keep: Retention): boolean {
  return Boolean(keep["keep-all"]) || retentionKeys.every((key) => key === "keep-all" || !keep[key]);
}

/** Most archives that can be kept. */
export function retentionLimit(keep: Retention): number {
  return retentionKeys.reduce((sum, key) => sum + (key === "keep-all" ? 0 : (keep[key] ?? 0)), 0);
}

export interface Prunable {
  ctimeSeconds: number;
  protected: boolean;
}

export type PruneMark = "keep" | "remove" | "protected";

/** One mark per archive of one guest, in the order given. */
export function markForPruning(archives: readonly Prunable[], keep: Retention): PruneMark[] {
  const marks: (PruneMark | undefined)[] = archives.map((archive) => (archive.protected ? "protected" : undefined));
  if (keepsEverything(keep)) return marks.map((mark) => mark ?? "keep");
  const newestFirst = archives.map((_, index) => index).sort((a, b) => archives[b]!.ctimeSeconds - archives[a]!.ctimeSeconds);
  for (const [key, periodOf] of periods) {
    const count = keep[key] ?? 0;
    if (count === 0) continue;
    const periodAt = (index: number) => periodOf(archives[index]!.ctimeSeconds);
    const covered = new Set(newestFirst.filter((index) => marks[index] === "keep").map(periodAt));
    const chosen = new Set<string>();
    for (const index of newestFirst) {
      const period = periodAt(index);
      if (marks[index] !== undefined || covered.has(period)) continue;
      if (chosen.has(period)) {
        marks[index] = "remove";
        continue;
      }
      if (chosen.size >= count) break;
      chosen.add(period);
      marks[index] = "keep";
    }
  }
  return marks.map((mark) => mark ?? "remove");
}

const iso = (seconds: number) => new Date(seconds * 1000).toISOString();

const periods: [keyof Retention, (ctimeSeconds: number) => string][] = [
  ["keep-last", (seconds) => String(seconds)],
  ["keep-hourly", (seconds) => iso(seconds).slice(0, 13)],
  ["keep-daily", (seconds) => iso(seconds).slice(0, 10)],
  ["keep-weekly", isoWeek],
  ["keep-monthly", (seconds) => iso(seconds).slice(0, 7)],
  ["keep-yearly", (seconds) => iso(seconds).slice(0, 4)],
];

/** ISO 8601 week: the one with the week's Thursday. */
function isoWeek(seconds: number): string {
  const date = new Date(seconds * 1000);
  const thursday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 3 - ((date.getUTCDay() + 6) % 7)));
  const firstOfYear = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  return `${thursday.getUTCFullYear()}-W${1 + Math.floor((thursday.getTime() - firstOfYear) / (7 * 86_400_000))}`;
}
