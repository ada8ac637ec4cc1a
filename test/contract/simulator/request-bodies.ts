/** Bodies as the recordings describe them. */

/** A form; a list becomes a repeated key. */
export function encodeForm(values: Record<string, unknown>): string {
  const pairs = Object.entries(values).flatMap(([key, value]) =>
    Array.isArray(value) ? value.map((item) => [key, item] as const) : [[key, value] as const],
  );
  return pairs.map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(String(value ?? ""))}`).join("&");
}

/** Long bodies are recorded as `description=x*100000`. */
export function expandRawBody(raw: string | undefined): string | undefined {
  const long = /^(\w+)=(.)\*(\d+)$/.exec(raw ?? "");
  return long ? `${long[1]}=${long[2]!.repeat(Number(long[3]))}` : raw;
}
