/** What `validate` says in all. Pure. */
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import type { ClusterCheck } from "./connectivity/check";
import type { PeerCheck } from "./connectivity/peers";
import type { Finding } from "./finding";

export interface ValidateReport {
  file: string;
  errors: number;
  warnings: number;
  /** In the order of the file, then cluster by cluster. */
  findings: Finding[];
  /** With --check-connectivity. */
  clusters?: ClusterCheck[];
  /** With --check-connectivity: each way that guests may move. */
  peers?: PeerCheck[];
}

export function toReport(
  file: string,
  findings: readonly Finding[],
  checked?: { clusters: ClusterCheck[]; peers: PeerCheck[] },
): ValidateReport {
  const live = (checked?.clusters ?? []).flatMap((cluster) => cluster.findings);
  const all = [...inFileOrder(findings), ...live];
  const errors = all.filter(({ severity }) => severity === "error").length;
  return { file, errors, warnings: all.length - errors, findings: all, ...checked };
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
