/** From an error to one message and an exit code. Branches on codes, so that nothing has to be loaded for it. */
import { EXIT, type ExitCode } from "./exit-codes";

/** The user asked for something that cannot be done as asked. */
export class UsageError extends Error {
  readonly code = "USAGE";
}

const CODES: Readonly<Record<string, ExitCode>> = {
  USAGE: EXIT.usage,
  FEDERATION_CONFIG: EXIT.usage,
  NO_CONNECTION: EXIT.unreachable,
  CONNECTION: EXIT.unreachable,
  TIMEOUT: EXIT.unreachable,
  DEADLINE: EXIT.unreachable,
  OUTCOME_UNKNOWN: EXIT.unreachable,
  TLS_FINGERPRINT: EXIT.unreachable,
  UNEXPECTED_RESPONSE: EXIT.unreachable,
  NO_QUORUM: EXIT.unreachable,
  AUTHENTICATION: EXIT.refused,
  CREDENTIALS_REFUSED: EXIT.refused,
  PERMISSION: EXIT.refused,
  CREDENTIAL_MISSING: EXIT.refused,
  CREDENTIAL_UNREADABLE: EXIT.refused,
  CREDENTIAL_INVALID: EXIT.refused,
  // The exact mode.
  "solver-missing": EXIT.usage,
  "too-large": EXIT.usage,
  // Kubernetes.
  CLIENT_MISSING: EXIT.usage,
  KUBECONFIG: EXIT.usage,
  UNREACHABLE: EXIT.unreachable,
  UNAUTHORIZED: EXIT.refused,
  FORBIDDEN: EXIT.refused,
  // Files and ports of this machine: the system says what is wrong with what was named.
  EACCES: EXIT.usage,
  EADDRINUSE: EXIT.usage,
  EEXIST: EXIT.usage,
  EISDIR: EXIT.usage,
  ENOENT: EXIT.usage,
  ENOTDIR: EXIT.usage,
};

export interface Failure {
  message: string;
  exitCode: ExitCode;
}

/** Any other error with a code of ours is a refusal; one without is a fault of this program and keeps its stack. */
export function describeFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), exitCode: EXIT.internal };
  const code = codeOf(error);
  if (code === undefined || code.startsWith("ERR_")) return { message: error.stack ?? error.message, exitCode: EXIT.internal };
  return { message: error.message, exitCode: CODES[code] ?? EXIT.finding };
}

/** The stable `code` of an error; `undefined` when it has none. */
export function codeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}
