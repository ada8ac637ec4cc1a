/** Collects what is wrong with one file, at the place where it stands. */
import type { ConfigIssue } from "./model";
import { formatPath, type Path } from "./position";
import type { Source } from "./source";

/**
 * `complete`: a file to run on; every placeholder and dangling id is an error.
 * `template`: a fragment or an example from documentation; those are warnings.
 */
export type DocumentKind = "complete" | "template";

export class Findings {
  readonly issues: ConfigIssue[] = [];

  constructor(
    private readonly source: Source,
    readonly kind: DocumentKind,
    /** Checks see lists without the items that could not be read; this gives an item its index in the file back. */
    private readonly toFilePath: (path: Path) => Path = (path) => path,
  ) {}

  error(path: Path, message: string, suggestion?: string, at: "key" | "value" = "value"): void {
    this.add("error", path, message, suggestion, at);
  }

  warning(path: Path, message: string, suggestion?: string, at: "key" | "value" = "value"): void {
    this.add("warning", path, message, suggestion, at);
  }

  /** An error in a complete file, a warning in a template. */
  unresolved(path: Path, message: string, suggestion?: string, at: "key" | "value" = "value"): void {
    this.add(this.kind === "complete" ? "error" : "warning", path, message, suggestion, at);
  }

  /** Whether the file has the key, also when its value could not be read. */
  has(path: Path): boolean {
    return this.source.find(this.toFilePath(path)) !== undefined;
  }

  private add(severity: ConfigIssue["severity"], path: Path, message: string, suggestion: string | undefined, at: "key" | "value"): void {
    const filePath = this.toFilePath(path);
    this.issues.push({
      severity,
      file: this.source.file,
      ...this.source.positionOf(filePath, at),
      path: formatPath(filePath),
      message,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }
}

/** Findings in the order of the file; one text at one place (an anchor used twice) is told once. */
export function inFileOrder(issues: readonly ConfigIssue[]): ConfigIssue[] {
  const unique = new Map(issues.map((issue) => [`${issue.line}:${issue.column}:${issue.message}`, issue] as const).reverse());
  return [...unique.values()].sort((a, b) => a.line - b.line || a.column - b.column || compareText(a.message, b.message));
}

/** By code unit: the same everywhere, and without loading the machine's locale. */
function compareText(a: string, b: string): number {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}
