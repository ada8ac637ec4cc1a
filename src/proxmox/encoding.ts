import type { ApiParams } from "./api";
import { FormatError } from "./errors";

/** One path segment: a node, storage, volid, UPID. A dot segment would name another call. */
export function segment(value: string | number): string {
  const text = String(value);
  if (text === "" || text === "." || text === "..") throw new FormatError("path segment", text, "it is empty or a dot segment");
  return encodeURIComponent(text);
}

/** Form encoding as the API takes it: booleans are 0 and 1, `undefined` is left out, a list repeats its key. */
export function encodeParams(params: ApiParams): string {
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined) continue;
    if (typeof value === "number" && !Number.isFinite(value)) throw new FormatError(`number for ${key}`, String(value), "it is not finite");
    for (const item of Array.isArray(value) ? value : [value]) {
      const text = typeof item === "boolean" ? (item ? "1" : "0") : String(item);
      pairs.push(`${encodeURIComponent(key)}=${encodeURIComponent(text)}`);
    }
  }
  return pairs.join("&");
}
