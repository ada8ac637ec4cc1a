/** Asking before something that takes long or stops a VM. */
import { createInterface } from "node:readline/promises";
import type { CliIo } from "../io";

/** Asks only who can answer: a script has decided by calling. */
export async function confirmed(what: string, yes: boolean, { stdin, stderr }: CliIo): Promise<boolean> {
  if (yes || stdin === undefined || (stdin as { isTTY?: boolean }).isTTY !== true) return true;
  stderr.write(`${what}\n`);
  const reader = createInterface({ input: stdin });
  try {
    stderr.write("Move it? [y/N] ");
    return /^y(es)?$/i.test((await reader.question("")).trim());
  } finally {
    reader.close();
  }
}
