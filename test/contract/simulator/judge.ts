/** What a replay found, weighed against what is known to differ. */
import type { Era } from "../../../src/simulator";

export interface StepResult {
  step: number;
  what: string;
  /** Empty when the simulator answered as recorded. */
  differences: string[];
}

export interface ReplayReport {
  era: Era;
  flow: string;
  results: StepResult[];
}

export interface KnownDifference {
  /** Step numbers, or a test of `METHOD path`. */
  steps: number[] | RegExp;
  era?: Era;
  reason: string;
  /** It depends on how fast things are: the step may match as well. */
  mayMatch?: boolean;
}

/** Steps that differ though no known difference covers them, and known differences that are none. */
export function judge(report: ReplayReport, known: readonly KnownDifference[]): { unexpected: StepResult[]; outdated: string[] } {
  const relevant = known.filter((difference) => difference.era === undefined || difference.era === report.era);
  const covers = (difference: KnownDifference, result: StepResult) =>
    Array.isArray(difference.steps) ? difference.steps.includes(result.step) : difference.steps.test(result.what);
  const differing = report.results.filter((result) => result.differences.length > 0);
  const unexpected = differing.filter((result) => !relevant.some((difference) => covers(difference, result)));
  const outdated = relevant.flatMap((difference) => {
    if (difference.mayMatch) return [];
    if (Array.isArray(difference.steps)) {
      return difference.steps
        .filter((step) => !differing.some((result) => result.step === step))
        .map((step) => `step ${step} matches although it is listed: ${difference.reason}`);
    }
    return differing.some((result) => covers(difference, result)) ? [] : [`${difference.steps} matches nothing: ${difference.reason}`];
  });
  return { unexpected, outdated };
}

export function describeReport(report: ReplayReport): string {
  const same = report.results.filter((result) => result.differences.length === 0).length;
  const lines = report.results
    .filter((result) => result.differences.length > 0)
    .map((result) => `  ${result.step} ${result.what}\n${result.differences.map((text) => `      ${text}`).join("\n")}`);
  return [`${report.era} ${report.flow}: ${same} of ${report.results.length} steps match`, ...lines].join("\n");
}
