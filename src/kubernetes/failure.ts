/** What the client library throws, in our words. */
import { cleanCause, type Redact } from "../proxmox";
import { KubernetesError, type KubernetesErrorCode } from "./errors";

const CODES: Record<number, KubernetesErrorCode> = {
  400: "INVALID",
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  409: "CONFLICT",
  422: "INVALID",
};

const ADVICE: Partial<Record<KubernetesErrorCode, string>> = {
  UNAUTHORIZED: "Check that the credentials of the kubeconfig's context have not expired.",
  FORBIDDEN: "Grant that verb to the account of the kubeconfig's context.",
  UNREACHABLE: "Check the server of the kubeconfig's context and the way to it.",
};

/** As much of a thrown `ApiException` as is needed; the class itself is loaded lazily. */
interface ApiFailure {
  code: number;
  body: unknown;
}

/**
 * @param what the call as a sentence without a full stop, such as `PersistentVolume data-1 cannot be created`
 * @param where context and server
 */
export function toKubernetesError(error: unknown, what: string, where: string, redact: Redact): KubernetesError {
  if (error instanceof KubernetesError) return error;
  if (!isApiFailure(error)) {
    const cause = cleanCause(error, redact);
    return new KubernetesError("UNREACHABLE", compose(what, where, cause.message, ADVICE.UNREACHABLE), { cause });
  }
  const { message, reason } = statusOf(error.body);
  const code = codeOf(error.code, reason);
  const said = redact(message ?? `HTTP ${error.code}`);
  return new KubernetesError(code, compose(what, where, said, ADVICE[code]), { status: error.code });
}

/**
 * That an object is absent only the API server itself can say: a proxy that has lost its cluster answers 404 too, and what it
 * does not find may well be there.
 */
function codeOf(status: number, reason: string | undefined): KubernetesErrorCode {
  if (reason === "AlreadyExists") return "ALREADY_EXISTS";
  if (status === 404 && reason === "NotFound") return "NOT_FOUND";
  return CODES[status] ?? "REFUSED";
}

/** Not now rather than not like this: overload, a server that starts or stops, a broken line. */
export function isPassing(error: KubernetesError): boolean {
  return error.code === "UNREACHABLE" || error.status === 429 || (error.status !== undefined && error.status >= 500);
}

function isApiFailure(error: unknown): error is ApiFailure {
  return error instanceof Error && typeof (error as Partial<ApiFailure>).code === "number" && "body" in error;
}

/** The body is a `Status`, as text or parsed; proxies in between answer with HTML. */
function statusOf(body: unknown): { message?: string; reason?: string } {
  let value = body;
  if (typeof body === "string") {
    try {
      value = JSON.parse(body);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return {};
    }
  }
  if (typeof value !== "object" || value === null) return {};
  const { message, reason } = value as { message?: unknown; reason?: unknown };
  return { ...(typeof message === "string" ? { message } : {}), ...(typeof reason === "string" ? { reason } : {}) };
}

function compose(what: string, where: string, said: string, advice: string | undefined): string {
  const sentence = `${what} (${where}): ${said}`;
  return advice === undefined ? sentence : `${sentence}${/[.!?]$/.test(sentence) ? "" : "."} ${advice}`;
}
