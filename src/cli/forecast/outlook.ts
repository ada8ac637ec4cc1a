/** When storages and memory will be full, if they go on as they did. Pure. */
import { roundedSize } from "../../config";
import { type Forecast, forecastExhaustion } from "../../placement";
import type { Paint } from "../io";
import { counted, roundedSpan, table } from "../words";
import type { RecordedRows } from "./history";

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

export interface Outlook {
  kind: "storage" | "memory";
  cluster: string;
  /** Absent for a shared storage. */
  node?: string;
  storage?: string;
  totalBytes: number;
  /** The newest reading. */
  usedBytes?: number;
  /** Readings that the line goes through. */
  readings: number;
  /** From the first to the last of them. */
  spanSeconds: number;
  /** Absent with fewer than three readings. */
  growthBytesPerDay?: number;
  /** Root mean square distance of the readings from the line. */
  typicalErrorBytes?: number;
  /** When the line meets the capacity; absent where it does not grow. */
  fullAt?: string;
  /** The same for a line higher and lower by twice the typical error. */
  fullBetween?: { earliest: string; latest: string };
  /** Whether `fullAt` is within the days asked for. */
  fillsUp: boolean;
}

export function outlooksOf(cluster: string, rows: RecordedRows, nowMs: number, days: number): Outlook[] {
  const { history, nodes, storages } = rows;
  const until = nowMs + days * DAY_MS;
  return [
    ...history.storages.map(({ storage, node, readings }) => {
      const row = storages.find((candidate) => candidate.storage === storage && (node === undefined || candidate.node === node));
      return outlook(
        { kind: "storage", cluster, ...(node === undefined ? {} : { node }), storage },
        readings,
        row?.totalBytes ?? 0,
        1,
        until,
      );
    }),
    ...history.nodes.map(({ node, memory }) => {
      const row = nodes.find((candidate) => candidate.node === node);
      return outlook({ kind: "memory", cluster, node }, memory, row?.maxMemoryBytes ?? 0, MIB, until);
    }),
  ];
}

type What = Pick<Outlook, "kind" | "cluster" | "node" | "storage">;

function outlook(
  what: What,
  readings: readonly { atMs: number; used: number }[],
  totalBytes: number,
  unit: number,
  untilMs: number,
): Outlook {
  const forecast = totalBytes > 0 ? forecastExhaustion(readings, totalBytes / unit) : undefined;
  const [first, last] = [readings[0], readings.at(-1)];
  const spanSeconds = first && last ? Math.round((last.atMs - first.atMs) / 1000) : 0;
  const measured = {
    ...what,
    totalBytes,
    ...(last ? { usedBytes: Math.round(last.used * unit) } : {}),
    readings: readings.length,
    spanSeconds,
  };
  return { ...measured, ...(forecast ? figures(forecast, unit) : {}), fillsUp: (forecast?.exhaustedAtMs ?? Infinity) <= untilMs };
}

function figures({ perDay, typicalError, exhaustedAtMs, exhaustedBetweenMs }: Forecast, unit: number): Partial<Outlook> {
  const fullAt = dateOf(exhaustedAtMs);
  const [earliest, latest] = [dateOf(exhaustedBetweenMs?.earliest), dateOf(exhaustedBetweenMs?.latest)];
  return {
    growthBytesPerDay: Math.round(perDay * unit),
    typicalErrorBytes: Math.round(typicalError * unit),
    ...(fullAt === undefined ? {} : { fullAt }),
    ...(earliest === undefined || latest === undefined ? {} : { fullBetween: { earliest, latest } }),
  };
}

/** `undefined` beyond the calendar: a line that hardly rises meets nothing that matters. */
function dateOf(instantMs: number | undefined): string | undefined {
  const date = new Date(instantMs ?? Number.NaN);
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999 ? undefined : date.toISOString();
}

export function outlookText(outlooks: readonly Outlook[], notes: readonly string[], days: number, paint: Paint): string {
  const rows = outlooks.map((one) => [
    `${one.kind} ${[one.cluster, one.node, one.storage].filter((part) => part !== undefined).join("/")}`,
    `${one.usedBytes === undefined ? "?" : roundedSize(one.usedBytes)} of ${roundedSize(one.totalBytes)}`,
    ...trend(one),
  ]);
  const lines = table(rows).map((line, index) => (outlooks[index]!.fillsUp ? paint("red", line) : line));
  const filling = outlooks.filter(({ fillsUp }) => fillsUp).length;
  return [
    ...notes.map((note) => `${paint("yellow", "note:")} ${note}`),
    ...lines,
    "",
    `${filling === 0 ? "nothing" : filling} of ${outlooks.length} full within ${days} d, if use goes on in a straight line (it knows no seasons and no steps)`,
  ].join("\n");
}

function trend({ growthBytesPerDay, typicalErrorBytes, fullAt, fullBetween, readings, spanSeconds }: Outlook): string[] {
  if (growthBytesPerDay === undefined || typicalErrorBytes === undefined) return [`too little history: ${counted(readings, "reading")}`];
  const sign = growthBytesPerDay < 0 ? "-" : "+";
  const rate = `${sign}${roundedSize(Math.abs(growthBytesPerDay))} a day over ${roundedSpan(spanSeconds)}, line off by ${roundedSize(typicalErrorBytes)}`;
  if (fullAt === undefined) return [rate, "does not fill up"];
  const day = (at: string) => at.slice(0, 10);
  const between = fullBetween === undefined ? "" : ` (${day(fullBetween.earliest)} to ${day(fullBetween.latest)})`;
  return [rate, `full on ${day(fullAt)}${between}`];
}
