/** What can go wrong with a Kubernetes API: one class, a stable `code`. Branch on `code`, never on the text. */

/** Survives two copies of this package in one process, where `instanceof` does not. */
const brand: unique symbol = Symbol.for("proxmox-federation.KubernetesError");

export type KubernetesErrorCode =
  /** The optional package `@kubernetes/client-node` is not installed. */
  | "CLIENT_MISSING"
  /** The kubeconfig cannot be read, or names no usable cluster. */
  | "KUBECONFIG"
  /** No answer: refused, DNS, TLS, reset, or too late. A write may have been done. */
  | "UNREACHABLE"
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  /** The object has changed since it was read, or is another one of the same name. */
  | "CONFLICT"
  /** The API server refuses the object. */
  | "INVALID"
  /** Any other answer that is not a success. */
  | "REFUSED";

export class KubernetesError extends Error {
  readonly [brand] = true;
  /** HTTP status, where there was an answer. */
  readonly status?: number;

  /** @param message what failed, where, and what to do; no secret in it */
  constructor(
    readonly code: KubernetesErrorCode,
    message: string,
    details: { status?: number; cause?: Error } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "KubernetesError";
    if (details.status !== undefined) this.status = details.status;
  }
}

/** Recognizes errors of any copy of this package; with `code`, only those. */
export function isKubernetesError(value: unknown, code?: KubernetesErrorCode): value is KubernetesError {
  if (typeof value !== "object" || value === null) return false;
  const candidate = value as { [brand]?: unknown; code?: unknown };
  return candidate[brand] === true && (code === undefined || candidate.code === code);
}
