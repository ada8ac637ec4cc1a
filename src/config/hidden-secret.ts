/**
 * A secret that stands in the file itself. It rides along in the model, which is printed, compared and logged, and shows
 * there as a placeholder: only `reveal` gives it away.
 */
export class HiddenSecret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }
}
