/** Steps one after the other: each timed, a failed one told, and those that rest on it left out. */
import { codeOf } from "../failure";

export interface StepReport {
  /** Absent: of all clusters together. */
  cluster?: string;
  step: string;
  result: "ok" | "failed" | "skipped";
  /** What was done or found, or why it failed or was left out. */
  detail?: string;
  seconds: number;
}

/** Thrown by a step that this cluster cannot do. */
export class SkippedStep extends Error {}

export interface StepPlan {
  cluster?: string;
  step: string;
  /** Keys of steps that must not have failed or been left out. */
  needs?: readonly string[];
  /** @returns what to tell beside "ok" */
  run: () => Promise<string | undefined>;
}

export function stepKey({ cluster, step }: Pick<StepPlan, "cluster" | "step">): string {
  return cluster === undefined ? step : `${cluster}: ${step}`;
}

/** Text of QEMU's start on a machine without hardware virtualisation; there is no code for it. */
const NO_KVM = /KVM virtualisation configured, but not available/;

export class StepRunner {
  readonly reports: StepReport[] = [];

  constructor(
    private readonly nowMs: () => number,
    private readonly signal: AbortSignal,
    private readonly onReport: (report: StepReport) => void,
  ) {}

  /** Never rejects. @returns whether it went well */
  async run({ cluster, step, needs = [], run }: StepPlan): Promise<boolean> {
    const startMs = this.nowMs();
    const outcome = await this.outcomeOf(needs, run);
    const report: StepReport = {
      ...(cluster === undefined ? {} : { cluster }),
      step,
      ...outcome,
      seconds: Math.round(this.nowMs() - startMs) / 1000,
    };
    this.reports.push(report);
    this.onReport(report);
    return report.result === "ok";
  }

  succeeded(key: string): boolean {
    return this.reports.some((report) => stepKey(report) === key && report.result === "ok");
  }

  get failed(): boolean {
    return this.reports.some(({ result }) => result === "failed");
  }

  private async outcomeOf(needs: readonly string[], run: StepPlan["run"]): Promise<Pick<StepReport, "result" | "detail">> {
    if (this.signal.aborted) return { result: "skipped", detail: "interrupted" };
    const missing = needs.find((key) => !this.succeeded(key));
    if (missing !== undefined) return { result: "skipped", detail: `it needs "${missing}"` };
    try {
      const detail = await run();
      return { result: "ok", ...(detail === undefined ? {} : { detail }) };
    } catch (error) {
      if (error instanceof SkippedStep) return { result: "skipped", detail: error.message };
      if (NO_KVM.test(messagesOf(error))) return { result: "skipped", detail: "the node has no KVM (hardware virtualisation)" };
      return { result: "failed", detail: describe(error) };
    }
  }
}

function messagesOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const logTail = (error as { logTail?: unknown }).logTail;
  return [error.message, ...(Array.isArray(logTail) ? logTail : []), error.cause === undefined ? "" : messagesOf(error.cause)].join("\n");
}

/** A mistake of this program's shows where it is; everything else says in words what is wrong. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isMistake = ["TypeError", "RangeError", "ReferenceError"].includes(error.name) && codeOf(error) === undefined;
  return isMistake ? (error.stack ?? error.message) : error.message;
}
