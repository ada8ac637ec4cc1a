/** From `federation.yaml` to the model. */
import { readFile } from "node:fs/promises";
import { toFederation } from "./build/federation";
import { runChecks } from "./checks";
import { declaredClusterIds, kindOf } from "./document-kind";
import { FederationConfigError } from "./errors";
import { type DocumentKind, Findings, inFileOrder } from "./findings";
import type { ConfigIssue, Federation } from "./model";
import type { Path, Position } from "./position";
import { EXTENSION_PREFIX } from "./schema/federation";
import { readShape } from "./shape";
import { readSource, toPlain } from "./source";

export interface LoadOptions {
  /**
   * `complete`: placeholders (`a|b|c`) and ids that do not exist are errors. `template`: they are warnings.
   * Default `auto`: complete if a cluster has a connection or a pool names a declared cluster.
   */
  mode?: "auto" | DocumentKind;
}

export interface LoadedFederation {
  federation: Federation;
  warnings: ConfigIssue[];
  /** Where the value at a path of the file stands, or the innermost part of the path that the file has. */
  positionOf(path: Path): Position;
  /** Whether the file itself has the key, where the model cannot tell it from its default. */
  declares(path: Path): boolean;
}

/** What only the text of a file knows. */
type SourceLookup = Pick<LoadedFederation, "positionOf" | "declares">;

/**
 * Reads and checks a file.
 * @throws FederationConfigError with every finding, also when the file cannot be read.
 */
export async function loadFederation(path: string, options: LoadOptions = {}): Promise<LoadedFederation> {
  return parseFederation(await readText(path), path, options);
}

/**
 * Checks the text of a file; `file` is its name in messages.
 * @throws FederationConfigError with every finding.
 */
export function parseFederation(text: string, file: string, options: LoadOptions = {}): LoadedFederation {
  const { federation, issues, lookup } = safeParseFederation(text, file, options);
  if (!federation || !lookup) throw new FederationConfigError(file, issues);
  return { federation, warnings: issues, ...lookup };
}

/** As {@link parseFederation}, without throwing: `federation` is absent when there is an error among the issues. */
export function safeParseFederation(
  text: string,
  file: string,
  options: LoadOptions = {},
): { federation?: Federation; issues: ConfigIssue[]; lookup?: SourceLookup } {
  const { source, issues: syntaxIssues } = readSource(text, file);
  if (!source) return { issues: inFileOrder(syntaxIssues) };
  const kind = options.mode === undefined || options.mode === "auto" ? kindOf(source) : options.mode;

  const shape = readShape(withoutExtensions(toPlain(source.root)), kind === "template");
  const shapeFindings = new Findings(source, kind);
  for (const { path, message, suggestion, at, firstAlternative } of shape.issues) {
    if (firstAlternative !== undefined && kind === "template")
      shapeFindings.warning(path, `${message}; \`${firstAlternative}\` is taken`, suggestion, at);
    else shapeFindings.error(path, message, suggestion, at);
  }

  const findings = new Findings(source, kind, shape.toOriginalPath);
  if (shape.file) runChecks({ file: shape.file, findings, clusterIds: declaredClusterIds(source) });

  const issues = inFileOrder([...syntaxIssues, ...shapeFindings.issues, ...findings.issues]);
  const usable = shape.file !== undefined && issues.every(({ severity }) => severity === "warning");
  if (!usable) return { issues };
  return {
    federation: toFederation(shape.file!),
    issues,
    lookup: { positionOf: (path) => source.positionOf(path, "value"), declares: (path) => source.find(path) !== undefined },
  };
}

async function readText(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw unreadable(path, ...describeReadError(error));
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const before = new TextDecoder().decode(bytes).split("\uFFFD")[0]!.split("\n");
    throw unreadable(path, "the file is not UTF-8 text", "Save it as UTF-8.", { line: before.length, column: before.at(-1)!.length + 1 });
  }
}

function unreadable(file: string, message: string, suggestion: string, position = { line: 1, column: 1 }): FederationConfigError {
  return new FederationConfigError(file, [{ severity: "error", file, ...position, path: "", message, suggestion }]);
}

function describeReadError(error: unknown): [message: string, suggestion: string] {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
    case "ENOTDIR":
      return ["the file does not exist", "Create it, or name another one."];
    case "EISDIR":
      return ["this is a directory", "Name the file in it."];
    case "EACCES":
    case "EPERM":
      return ["the file must not be read by this user", "Change its permissions."];
    default:
      return [`the file cannot be read (${error instanceof Error ? error.message : String(error)})`, "Check the file system."];
  }
}

/** The root without the user's own `x-…` keys. */
function withoutExtensions(data: unknown): unknown {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return data;
  return Object.fromEntries(Object.entries(data).filter(([key]) => !key.startsWith(EXTENSION_PREFIX)));
}
