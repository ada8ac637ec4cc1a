import { describeError } from "./redact";

export type FailureKind =
  /** No connection: refused, unreachable, DNS, TLS handshake, connect timeout. */
  | "connect"
  | "fingerprint"
  /** The connection broke after the request was put on it. */
  | "lost"
  | "timeout"
  | "cancelled"
  | "too-large";

/**
 * Why no complete answer came, before anybody decides what that means: for a read it is a reason to ask
 * again, for a write it decides whether the outcome is known.
 */
export class TransportFailure extends Error {
  private constructor(
    readonly kind: FailureKind,
    message: string,
    /** False only when nothing of the request can have reached the server. */
    readonly sent: boolean,
    readonly detail: { expected?: readonly string[]; found?: string; cause?: Error } = {},
  ) {
    super(message);
    this.name = "TransportFailure";
  }

  static ofConnect(cause: Error): TransportFailure {
    return new TransportFailure("connect", connectReason(cause), false, { cause });
  }

  static ofFingerprint(expected: readonly string[], found: string): TransportFailure {
    return new TransportFailure("fingerprint", `certificate fingerprint ${found} is not the expected one`, false, { expected, found });
  }

  static ofLoss(cause: Error, sent: boolean): TransportFailure {
    return new TransportFailure(sent ? "lost" : "connect", describeError(cause), sent, { cause });
  }

  static ofTimeout(timeoutMs: number, sent: boolean): TransportFailure {
    return new TransportFailure("timeout", `no answer within ${timeoutMs} ms`, sent);
  }

  static ofCancel(sent: boolean): TransportFailure {
    return new TransportFailure("cancelled", "cancelled by the caller", sent);
  }

  static ofSize(limitBytes: number): TransportFailure {
    return new TransportFailure("too-large", `the answer is larger than ${limitBytes} bytes`, true);
  }
}

const untrusted = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_HAS_EXPIRED",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

function connectReason(cause: Error): string {
  const code = (cause as { code?: unknown }).code;
  const reason = describeError(cause);
  if (/wrong version number|packet length too long/.test(reason)) return "the server does not speak TLS";
  if (typeof code !== "string") return reason;
  if (untrusted.has(code)) return `the certificate is not trusted: ${reason}; give its fingerprint or the cluster's CA`;
  return reason.includes(code) ? reason : `${reason} (${code})`;
}
