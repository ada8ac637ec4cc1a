/** Where a key of the federation file stands. Pure. */
import { isNode, LineCounter, parseDocument } from "yaml";
import type { Finding, Lint } from "./finding";

/** Gives lints the position of their value, or of the innermost part of their path that the text has. */
export function locate(lints: readonly Lint[], text: string, file: string): Finding[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, logLevel: "silent" });
  return lints.map(({ severity, path, message, suggestion }) => {
    const { line, col } = lines.linePos(offsetOf(document, path));
    return { severity, file, line, column: col, path: formatPath(path), message, suggestion };
  });
}

function offsetOf(document: ReturnType<typeof parseDocument>, path: Lint["path"]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function formatPath(path: Lint["path"]): string {
  return path.reduce<string>((text, key) => (typeof key === "number" ? `${text}[${key}]` : text === "" ? key : `${text}.${key}`), "");
}
