/** What `validate` objects to. */
export interface Finding {
  severity: "error" | "warning";
  message: string;
  /** What to do. */
  suggestion?: string;
  /** Where it stands in the file; absent for what only shows on the live cluster. */
  file?: string;
  line?: number;
  column?: number;
  /** `clusters[0].connection.api_url` */
  path?: string;
  /** The cluster it was found on; absent for the file. */
  cluster?: string;
}

/** A finding about the federation that the loader accepts; `path` is where it stands in the file. */
export interface Lint {
  severity: "error" | "warning";
  path: readonly (string | number)[];
  message: string;
  suggestion: string;
}

export function warn(path: Lint["path"], message: string, suggestion: string): Lint {
  return { severity: "warning", path, message, suggestion };
}
