/** A resource that exists but did not become what was declared; the engine records it and calls update next time. */
import type { Inputs } from "./inputs";

export class PartialCreateError extends Error {
  readonly reasons: string[];

  constructor(
    readonly id: string,
    /** Outputs with `__provider`, which the engine does not add to a partial result. */
    readonly properties: Inputs,
    cause: Error,
  ) {
    super(cause.message, { cause });
    this.reasons = [cause.message];
  }
}
