/** A set-up step that cannot go on; the message says what is missing and what to do about it. */
export class SetupError extends Error {
  name = "SetupError";
}
