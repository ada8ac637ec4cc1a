/** Paths where two normalized values differ, with both values. */
export function diff(recorded: unknown, got: unknown, path: string): string[] {
  if (JSON.stringify(recorded) === JSON.stringify(got)) return [];
  if (Array.isArray(recorded) && Array.isArray(got)) {
    if (recorded.length !== got.length)
      return [`${path}: ${got.length} items ${shorten(got)}, recorded ${recorded.length} ${shorten(recorded)}`];
    return recorded.flatMap((item, index) => diff(item, got[index], `${path}[${index}]`));
  }
  if (
    typeof recorded === "object" &&
    recorded !== null &&
    typeof got === "object" &&
    got !== null &&
    !Array.isArray(recorded) &&
    !Array.isArray(got)
  ) {
    const left = recorded as Record<string, unknown>;
    const right = got as Record<string, unknown>;
    return [...new Set([...Object.keys(left), ...Object.keys(right)])].flatMap((key) => {
      if (!(key in right)) return [`${path}.${key}: absent, recorded ${shorten(left[key])}`];
      if (!(key in left)) return [`${path}.${key}: ${shorten(right[key])}, recorded absent`];
      return diff(left[key], right[key], `${path}.${key}`);
    });
  }
  return [`${path}: ${shorten(got)}, recorded ${shorten(recorded)}`];
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 260 ? `${text.slice(0, 260)}…` : text;
}
