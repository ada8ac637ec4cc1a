/** How places are compared: by whole words, without case and accents. */

/** Letters that are no base letter with an accent, as they are written without them. */
const FOLDED_LETTERS: Readonly<Record<string, string>> = { ø: "o", ł: "l", đ: "d", ð: "d", ß: "ss", æ: "ae", œ: "oe", þ: "th", ı: "i" };

/** Lower-case words of a text; `Amsterdam, NL` has `amsterdam` and `nl`. Accents are folded: `Zürich` is `zurich`. */
export function words(text: string): string[] {
  return text
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[øłđðßæœþı]/g, (letter) => FOLDED_LETTERS[letter] ?? letter)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "");
}

/**
 * True when `wanted` occurs in `text` as whole words in a row. Whole words, because `NL` is part of `Finland` and a
 * residency rule must not be satisfied by that.
 */
export function containsWords(text: string, wanted: string): boolean {
  const have = words(text);
  const want = words(wanted);
  if (want.length === 0) return false;
  return have.some((_, start) => want.every((word, offset) => have[start + offset] === word));
}
