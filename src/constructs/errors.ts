/** `INPUT`: a declaration; `LOCK_FILE`: the lock file; `UNSEEN`: a VM might exist where nobody looked; `PLACEMENT`: no place; `MOVE`: not acknowledged. */
export type SynthErrorCode = "INPUT" | "LOCK_FILE" | "UNSEEN" | "PLACEMENT" | "MOVE";

/** The program is not synthesized. The message has every finding, each with what to do. */
export class SynthError extends Error {
  constructor(
    readonly code: SynthErrorCode,
    findings: readonly string[],
  ) {
    super(findings.join("\n"));
  }
}
