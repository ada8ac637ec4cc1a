/** Pools whose backups nobody has restored: what is not tried does not work. Pure. */
import { proofProblem, type RestoreProof } from "../../drill/proof";
import { type Lint, warn } from "../finding";

export function lintRestores(proofs: readonly RestoreProof[], nowMs: number): Lint[] {
  return proofs.flatMap((proof) => {
    const problem = proofProblem(proof, nowMs);
    if (problem === undefined) return [];
    const log = proof.state === "unlogged" ? "Set failover.drill_log, then run " : "Run ";
    return [warn(["resource_pools", proof.index, "replication"], problem, `${log}\`federate drill --pool ${proof.pool}\`.`)];
  });
}
