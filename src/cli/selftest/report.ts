/** What a self-test says in all. Pure. */
import { EXIT, type ExitCode } from "../exit-codes";
import type { Paint, Style } from "../io";
import { table } from "../words";
import type { StepReport } from "./steps";

export interface SelftestReport {
  pool: string;
  clusters: string[];
  interrupted: boolean;
  ok: number;
  failed: number;
  skipped: number;
  steps: StepReport[];
}

export function toReport(facts: Pick<SelftestReport, "pool" | "clusters" | "interrupted">, steps: StepReport[]): SelftestReport {
  const count = (result: StepReport["result"]) => steps.filter((step) => step.result === result).length;
  return { ...facts, ok: count("ok"), failed: count("failed"), skipped: count("skipped"), steps };
}

/** Whoever interrupts a test has not seen it pass. */
export function selftestExitCode({ failed, interrupted }: SelftestReport): ExitCode {
  return failed > 0 || interrupted ? EXIT.finding : EXIT.ok;
}

const STYLES: Record<StepReport["result"], Style> = { ok: "green", failed: "red", skipped: "dim" };

export function stepLine({ cluster, step, result, detail, seconds }: StepReport, paint: Paint): string {
  const where = cluster === undefined ? step : `${cluster}: ${step}`;
  return `${paint(STYLES[result], result.padEnd(7))} ${where}${detail === undefined ? "" : `: ${detail}`} (${seconds.toFixed(1)} s)`;
}

export function selftestText({ steps, ok, failed, skipped, interrupted }: SelftestReport, paint: Paint): string {
  const rows = steps.map(({ cluster = "", step, seconds, result, detail = "" }) => [
    cluster,
    step,
    `${seconds.toFixed(1)} s`,
    result,
    detail,
  ]);
  const verdict = `${ok} ok, ${failed} failed, ${skipped} skipped${interrupted ? ", interrupted" : ""}`;
  return [...table(rows), "", paint(failed > 0 || interrupted ? "red" : "green", verdict)].join("\n");
}
