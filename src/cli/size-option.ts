/** Sizes on the command line. Apart from the other option values: it loads the federation file's units. */
import { parseSizeBytes, UnitError } from "../config";
import { UsageError } from "./failure";

/** @throws UsageError that names the option */
export function sizeOf(option: string, text: string): number {
  try {
    return parseSizeBytes(text);
  } catch (error) {
    if (!(error instanceof UnitError)) throw error;
    throw new UsageError(`${option}: ${error.message}${error.suggestion === undefined ? "" : `. ${error.suggestion}`}`);
  }
}
