/**
 * Checks plain data against the schema and keeps what can be read: a part with a mistake is cut out and the rest
 * checked again, so that one run finds the mistakes of all layers.
 */
import type { Path } from "./position";
import { type FederationFile, federationFile } from "./schema/federation";
import { describeShapeIssue, knownKeysAt, type ShapeIssue } from "./shape-issues";

export interface Shape {
  issues: ShapeIssue[];
  /** What could be read; `undefined` when not even the root could. */
  file?: FederationFile;
  /** A path in `file` → the path in the data: list items that were cut out shift those behind them. */
  toOriginalPath(path: Path): Path;
}

type Container = Record<string, unknown> | unknown[];

/** @param data fresh plain data; parts of it are removed. */
export function readShape(data: unknown, acceptAlternatives: boolean): Shape {
  const pruner = new Pruner(data);
  const issues: ShapeIssue[] = [];
  for (;;) {
    const result = federationFile.safeParse(data);
    if (result.success) return { issues, file: result.data, toOriginalPath: (path) => pruner.toOriginalPath(path) };
    const found = result.error.issues.flatMap((issue) =>
      describeShapeIssue(
        issue,
        [],
        (path) => valueAt(data, path),
        (path) => knownKeysAt(federationFile, path),
      ),
    );
    // Paths are those of the pruned data until the whole round has been reported.
    for (const issue of found) if (!pruner.wasCut(issue.path)) issues.push({ ...issue, path: pruner.toOriginalPath(issue.path) });
    if (found.some(({ path }) => path.length === 0)) return { issues, toOriginalPath: (path) => path };
    const mistakes: Path[] = [];
    for (const { path, firstAlternative } of found) {
      if (acceptAlternatives && firstAlternative !== undefined) pruner.replace(path, firstAlternative);
      else mistakes.push(path);
    }
    const removed = pruner.cut(mistakes);
    if (!removed && mistakes.length === found.length) return { issues, toOriginalPath: (path) => path };
  }
}

class Pruner {
  /** Lists that lost items: for each remaining item its index in the file. */
  private readonly originalIndexes = new Map<Container, number[]>();
  private readonly cutKeys = new Map<Container, Set<string>>();

  constructor(private readonly data: unknown) {}

  /** Whether a key is absent because it was cut out: its absence is no further finding. */
  wasCut(path: Path): boolean {
    const container = valueAt(this.data, path.slice(0, -1));
    return isContainer(container) && (this.cutKeys.get(container)?.has(String(path.at(-1))) ?? false);
  }

  replace(path: Path, value: unknown): void {
    const container = valueAt(this.data, path.slice(0, -1));
    if (isContainer(container)) (container as Record<string | number, unknown>)[path.at(-1)!] = value;
  }

  /**
   * Removes the values at `paths`; where one is absent already (a required key), the part around it.
   * All places are looked up before the first is removed, because removing a list item shifts the others.
   * @returns whether anything was removed
   */
  cut(paths: Path[]): boolean {
    const listItems = new Map<unknown[], Set<number>>();
    const keys: [container: Record<string, unknown>, key: string][] = [];
    for (const path of paths) {
      const place = this.presentPlace(path);
      if (!place) continue;
      const { container, segment } = place;
      if (Array.isArray(container)) listItems.set(container, (listItems.get(container) ?? new Set()).add(Number(segment)));
      else keys.push([container, String(segment)]);
    }
    for (const [container, key] of keys) {
      delete container[key];
      this.cutKeys.set(container, (this.cutKeys.get(container) ?? new Set()).add(key));
    }
    for (const [list, indexes] of listItems) {
      const original = this.originalIndexes.get(list) ?? list.map((_, index) => index);
      this.originalIndexes.set(
        list,
        original.filter((_, index) => !indexes.has(index)),
      );
      list.splice(0, list.length, ...list.filter((_, index) => !indexes.has(index)));
    }
    return keys.length > 0 || listItems.size > 0;
  }

  private presentPlace(path: Path): { container: Container; segment: string | number } | undefined {
    const segment = path.at(-1);
    if (segment === undefined) return undefined;
    const container = valueAt(this.data, path.slice(0, -1));
    return isContainer(container) && Object.hasOwn(container, segment) ? { container, segment } : this.presentPlace(path.slice(0, -1));
  }

  toOriginalPath(path: Path): Path {
    let node: unknown = this.data;
    return path.map((segment) => {
      const original = typeof segment === "number" && isContainer(node) ? (this.originalIndexes.get(node)?.[segment] ?? segment) : segment;
      node = isContainer(node) ? (node as Record<string | number, unknown>)[segment] : undefined;
      return original;
    });
  }
}

function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null;
}

function valueAt(data: unknown, path: Path): unknown {
  let node = data;
  for (const segment of path)
    node = isContainer(node) && Object.hasOwn(node, segment) ? (node as Record<string | number, unknown>)[segment] : undefined;
  return node;
}
