/** Where a key of the federation file stands. Pure. */
import { formatPath, type LoadedFederation } from "../../config";
import type { Finding, Lint } from "./finding";

/** Gives lints the position of their value, or of the innermost part of their path that the file has. */
export function locate(lints: readonly Lint[], positionOf: LoadedFederation["positionOf"], file: string): Finding[] {
  return lints.map(({ severity, path, message, suggestion }) => ({
    severity,
    file,
    ...positionOf(path),
    path: formatPath(path),
    message,
    suggestion,
  }));
}
