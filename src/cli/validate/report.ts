/** What `validate` says in all. Pure. */
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import type { ClusterCheck } from "./connectivity/check";
import type { Finding } from "./finding";

export interface ValidateReport {
  file: string;
  errors: number;
  warnings: number;
  /** In the order of the file, then cluster by cluster. */
  findings: Finding[];
  /** With --check-connectivity. */
  clusters?: ClusterCheck[];
}

export function toReport(file: string, findings: readonly Finding[], clusters?: ClusterCheck[]): ValidateReport {
  const live = (clusters ?? []).flatMap((cluster) => cluster.findings);
  const all = [...inFileOrder(findings), ...live];
  const errors = all.filter(({ severity }) => severity === "error").length;
  return { file, errors, warnings: all.length - errors, findings: all, ...(clusters === undefined ? {} : { clusters }) };
}

function inFileOrder(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

export function validateExitCode({ errors, clusters }: ValidateReport): ExitCode {
  const codes = (clusters ?? []).map(({ outcome }) => {
    if (outcome === "unreachable") return EXIT.unreachable;
    return outcome === "refused" ? EXIT.refused : EXIT.ok;
  });
  return worstOf([errors > 0 ? EXIT.finding : EXIT.ok, ...codes]);
}
