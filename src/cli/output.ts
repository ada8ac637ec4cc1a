/** One result, in the format that was asked for. */
import { stringify } from "yaml";
import type { Format } from "./formats";
import { printable, type TextOutput } from "./io";

/** `data` is plain JSON; `text` is only made when it is wanted. */
export function writeResult(output: TextOutput, format: Format, data: unknown, text: () => string): void {
  output.write(render(format, data, text));
}

function render(format: Format, data: unknown, text: () => string): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(data, null, 2)}\n`;
    case "yaml":
      // Through JSON, so that both formats leave out the same keys; without it equal objects would become aliases.
      return stringify(JSON.parse(JSON.stringify(data)), { aliasDuplicateObjects: false });
    case "text":
      return `${printable(text())}\n`;
  }
}
