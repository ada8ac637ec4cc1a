import {
  CancelledError,
  ConnectionError,
  OutcomeUnknownError,
  type ProxmoxError,
  RequestTimeoutError,
  TlsFingerprintError,
  UnexpectedResponseError,
} from "./errors";
import { cleanCause } from "./redact";
import { lookFirst, type ResponseReader } from "./response";
import type { TransportFailure } from "./transport-failure";

/** What a missing answer means for the call: the same broken connection is harmless for a read and an open question for a write. */
export function errorOfFailure(failure: TransportFailure, endpoint: string, reader: ResponseReader): ProxmoxError {
  const { context, redact, repeatable } = reader;
  const reason = redact(failure.message);
  const cause = failure.detail.cause === undefined ? undefined : cleanCause(failure.detail.cause, redact);
  const details = { context, cause };
  switch (failure.kind) {
    case "fingerprint": {
      const expected = failure.detail.expected ?? [];
      const found = failure.detail.found ?? "none";
      return new TlsFingerprintError({
        ...details,
        summary: `${endpoint} shows another certificate: expected ${expected.join(" or ")}, found ${found}`,
        advice: "Nothing was sent. If the certificate was renewed, compare it on the node and update the fingerprint.",
        endpoint,
        expected,
        found,
      });
    }
    case "cancelled":
      return new CancelledError({ ...details, summary: "Cancelled", outcomeUnknown: failure.sent && !repeatable });
    case "connect":
      return connectionError(endpoint, reason, details);
    case "timeout":
      if (!failure.sent) return connectionError(endpoint, reason, details);
      return repeatable
        ? new RequestTimeoutError({ ...details, summary: `${endpoint} gave ${reason}` })
        : new OutcomeUnknownError({ ...details, summary: `${endpoint} gave ${reason}`, advice: lookFirst });
    case "lost":
      return repeatable
        ? connectionError(endpoint, `connection lost: ${reason}`, details)
        : new OutcomeUnknownError({ ...details, summary: `The connection to ${endpoint} was lost: ${reason}`, advice: lookFirst });
    case "too-large":
      return repeatable
        ? new UnexpectedResponseError({ ...details, summary: `${endpoint} sent too much: ${reason}` })
        : new OutcomeUnknownError({ ...details, summary: `${endpoint} sent too much: ${reason}`, advice: lookFirst });
  }
}

function connectionError(
  endpoint: string,
  reason: string,
  details: { context: ResponseReader["context"]; cause?: Error },
): ConnectionError {
  return new ConnectionError({ ...details, summary: `Cannot reach ${endpoint}: ${reason}`, endpoints: [{ url: endpoint, reason }] });
}
