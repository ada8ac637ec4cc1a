/** What a command may write to and read from; the real process in `federate.ts`, buffers in tests. */
import { styleText } from "node:util";

export interface TextOutput {
  write(text: string): unknown;
  isTTY?: boolean;
  /** Of a terminal: knows NO_COLOR, FORCE_COLOR and TERM. */
  hasColors?(): boolean;
}

export interface CliIo {
  stdout: TextOutput;
  stderr: TextOutput;
  environment: Record<string, string | undefined>;
  /** Where answers to questions come from; absent: nobody can be asked. */
  stdin?: NodeJS.ReadableStream;
}

export type Style = "red" | "green" | "yellow" | "cyan" | "bold" | "dim";
export type Paint = (style: Style, text: string) => string;

export const plain: Paint = (_style, text) => text;

/** Colours on a terminal that has them, plain text everywhere else. */
export function painterFor(output: TextOutput): Paint {
  if (output.isTTY !== true || output.hasColors?.() !== true) return plain;
  // The stream has been asked; by default Node would ask the standard output again.
  return (style, text) => styleText(style, text, { validateStream: false });
}

/** Names, tags and messages come from clusters and files: nothing in them may steer the terminal. Colours and line breaks stay. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (control, offset: number) => {
    const isColour = control === "\u001b" && /^\[\d{1,2}m/.test(text.slice(offset + 1, offset + 5));
    return control === "\n" || control === "\t" || isColour ? control : "?";
  });
}
