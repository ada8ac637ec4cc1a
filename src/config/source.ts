/**
 * YAML text → plain values with the position of every key and value. Aliases and merge keys are resolved here,
 * so the rest sees ordinary data; messages never quote the text, which may hold a secret.
 */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  visit,
  type YAMLMap,
  type YAMLParseError,
} from "yaml";
import type { ConfigIssue } from "./model";
import type { Path, Position } from "./position";
import { formatPath } from "./position";

/** A value of the file, with its place. */
export interface SourceNode {
  /** Offset of the key that holds it; absent for list items and the root. */
  keyOffset?: number;
  offset: number;
  content: { kind: "scalar"; value: unknown } | { kind: "map"; entries: Map<string, SourceNode> } | { kind: "list"; items: SourceNode[] };
}

export interface Source {
  file: string;
  root: SourceNode;
  /** Position of the value at `path`, or of the innermost part of the path that exists. */
  positionOf(path: Path, at: "key" | "value"): Position;
  find(path: Path): SourceNode | undefined;
}

/** Deeper than any key of the file, far from the end of the stack. */
const MAX_DEPTH = 100;
/** More values than this after aliases are resolved is a mistake or an attack. */
const MAX_VALUES = 250_000;

export function readSource(text: string, file: string): { source?: Source; issues: ConfigIssue[] } {
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const issueAt = (severity: ConfigIssue["severity"], offset: number, path: Path, message: string, suggestion?: string): ConfigIssue => ({
    severity,
    file,
    ...positionAt(offset),
    path: formatPath(path),
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
  });

  const document = parse(text, lines);
  if (document === "too deep") return { issues: [issueAt("error", 0, [], "the file is nested too deeply")] };
  const issues = [
    ...document.errors.map((error) => issueAt("error", error.pos[0], [], ...describeSyntaxError(error))),
    ...document.warnings.map((warning) => issueAt("warning", warning.pos[0], [], warning.message)),
  ];
  if (document.errors.length > 0) return { issues };
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    return { issues: [issueAt("error", 0, [], "the file is empty", "Start with a `clusters:` list.")] };
  }

  // Without an anchor no alias has a target, and the walk is saved.
  const aliases = text.includes("&") ? resolveAliases(document.contents) : new Map<Alias, Node>();
  const reader = new NodeReader(aliases, (offset, path, message, suggestion) =>
    issues.push(issueAt("error", offset, path, message, suggestion)),
  );
  const root = reader.read(document.contents);
  if (reader.exhausted) return { issues };
  return {
    source: { file, root, find: (path) => find(root, path), positionOf: (path, at) => positionAt(offsetOf(root, path, at)) },
    issues,
  };
}

/** The value as plain data, in fresh objects. */
export function toPlain(node: SourceNode): unknown {
  switch (node.content.kind) {
    case "scalar":
      return node.content.value;
    case "list":
      return node.content.items.map(toPlain);
    case "map": {
      // A loop: three times as fast as by way of entries. `__proto__` is no key here, `keyOf` refuses it.
      const plain: Record<string, unknown> = {};
      for (const [key, value] of node.content.entries) plain[key] = toPlain(value);
      return plain;
    }
  }
}

function parse(text: string, lineCounter: LineCounter): ReturnType<typeof parseDocument> | "too deep" {
  try {
    // Pretty errors would quote the line they are about. At `silent`, a second document would go unnoticed.
    const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, logLevel: "error" });
    // The parser reports an exhausted stack as one syntax error per level.
    return document.errors.some(({ message }) => message.includes("call stack")) ? "too deep" : document;
  } catch (error) {
    if (error instanceof RangeError) return "too deep";
    throw error;
  }
}

function describeSyntaxError(error: YAMLParseError): [message: string, suggestion?: string] {
  switch (error.code) {
    case "TAB_AS_INDENT":
      return ["a tab is used for indentation", "YAML indents with spaces only."];
    case "MULTIPLE_DOCS":
      return ["the file holds more than one YAML document", "Keep one federation per file and remove the `---` line."];
    default:
      return [`not valid YAML: ${error.message}`];
  }
}

/** Each alias → the last anchor of its name before it. One walk, because `Alias.resolve` walks the document each time. */
function resolveAliases(contents: Node): Map<Alias, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  visit(contents, {
    Node(_key, node) {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target) targets.set(node, target);
      } else if (node.anchor) anchors.set(node.anchor, node);
    },
  });
  return targets;
}

/** The path is that of the moment: it is not kept. */
type Report = (offset: number, path: Path, message: string, suggestion?: string) => void;

class NodeReader {
  private values = 0;
  private depth = 0;
  /** True once a limit is passed; what was read is then incomplete. */
  exhausted = false;
  /** Of the node that is being read; copied for findings only, because every value of a large file passes here. */
  private readonly path: (string | number)[] = [];
  private readonly open = new Set<Node>();
  private readonly reported = new Set<Node>();

  constructor(
    private readonly aliases: ReadonlyMap<Alias, Node>,
    private readonly report: Report,
  ) {}

  read(node: unknown, keyOffset?: number): SourceNode {
    this.depth++;
    const read = this.readHere(node, keyOffset);
    this.depth--;
    return read;
  }

  private readInside(segment: string | number, node: unknown, keyOffset?: number): SourceNode {
    this.path.push(segment);
    const read = this.read(node, keyOffset);
    this.path.pop();
    return read;
  }

  private readHere(node: unknown, keyOffset?: number): SourceNode {
    const fallback = keyOffset ?? 0;
    if (isAlias(node)) return this.readAlias(node, keyOffset);
    if (!this.enter(node, fallback)) return nullNode(fallback, keyOffset);
    if (isMap(node)) {
      this.open.add(node);
      const entries = this.readEntries(node);
      this.open.delete(node);
      return located(node, { kind: "map", entries }, keyOffset);
    }
    if (isSeq(node)) {
      this.open.add(node);
      const items = node.items.map((item, index) => this.readInside(index, item));
      this.open.delete(node);
      return located(node, { kind: "list", items }, keyOffset);
    }
    if (isScalar(node))
      return node.value === null
        ? nullNode(node.range?.[0] ?? fallback, keyOffset)
        : located(node, { kind: "scalar", value: node.value }, keyOffset);
    return nullNode(fallback, keyOffset);
  }

  /** Whether to read on. The first limit that is passed ends the reading with one finding. */
  private enter(node: unknown, offset: number): boolean {
    if (this.exhausted) return false;
    this.values++;
    if (this.depth > MAX_DEPTH) this.refuse(offset, "the file is nested too deeply");
    if (this.values > MAX_VALUES) {
      this.refuse(offset, `the aliases of this file expand to more than ${MAX_VALUES} values`, "Use fewer nested aliases.");
    }
    return node !== null && !this.exhausted;
  }

  private refuse(offset: number, message: string, suggestion?: string): void {
    if (this.exhausted) return;
    this.exhausted = true;
    this.report(offset, this.path.slice(0, 2), message, suggestion);
  }

  private readAlias(alias: Alias, keyOffset?: number): SourceNode {
    const offset = alias.range?.[0] ?? keyOffset ?? 0;
    const target = this.aliases.get(alias);
    const problem = !target
      ? `alias \`*${alias.source}\` has no anchor before it`
      : this.open.has(target)
        ? `alias \`*${alias.source}\` contains itself`
        : undefined;
    if (problem) {
      this.reportOnce(alias, offset, this.path, problem);
      return nullNode(offset, keyOffset);
    }
    return this.read(target, keyOffset);
  }

  private readEntries(map: YAMLMap): Map<string, SourceNode> {
    const entries = new Map<string, SourceNode>();
    const merges: unknown[] = [];
    for (const pair of map.items) {
      const key = this.keyOf(pair, map);
      if (key === undefined) continue;
      const offset = (pair.key as Scalar).range?.[0] ?? 0;
      if (key === "<<" && (pair.key as Scalar).type === "PLAIN") merges.push(pair.value);
      else if (entries.has(key))
        this.reportOnce(pair.key as Node, offset, [...this.path, key], `key \`${key}\` is given twice`, "Keep one of them.");
      else entries.set(key, this.readInside(key, pair.value, offset));
    }
    for (const merged of merges) this.merge(entries, merged);
    return entries;
  }

  private keyOf(pair: Pair<unknown, unknown>, map: YAMLMap): string | undefined {
    const offset = (pair.key as Node | null)?.range?.[0] ?? map.range?.[0] ?? 0;
    if (!isScalar(pair.key) || pair.key.value === null) {
      this.reportOnce(pair.key as Node, offset, this.path, "a key must be a plain text");
      return undefined;
    }
    const key = String(pair.key.value);
    // `constructor` as the id of a cluster would be found in every plain object.
    if (key in Object.prototype) {
      this.reportOnce(pair.key, offset, [...this.path, key], `\`${key}\` is reserved and cannot be a key`, "Choose another name.");
      return undefined;
    }
    return key;
  }

  /** Keys of the map itself win, then those of earlier merges. */
  private merge(entries: Map<string, SourceNode>, merged: unknown): void {
    const target = isAlias(merged) ? this.aliases.get(merged) : merged;
    const sources = isSeq(target) ? target.items : [merged];
    for (const source of sources) {
      const read = this.read(source);
      if (this.exhausted) return;
      if (read.content.kind !== "map") {
        this.report(read.offset, this.path, "`<<` must name a mapping or a list of mappings");
        continue;
      }
      for (const [key, value] of read.content.entries) if (!entries.has(key)) entries.set(key, value);
    }
  }

  /** A node behind an anchor is read at every use; its findings are told once. */
  private reportOnce(node: Node | null, offset: number, path: Path, message: string, suggestion?: string): void {
    if (node !== null) {
      if (this.reported.has(node)) return;
      this.reported.add(node);
    }
    this.report(offset, path, message, suggestion);
  }
}

function located(node: Node, content: SourceNode["content"], keyOffset?: number): SourceNode {
  return { keyOffset, offset: node.range?.[0] ?? keyOffset ?? 0, content };
}

/** A key without a value is best shown at the key. */
function nullNode(offset: number, keyOffset?: number): SourceNode {
  return { keyOffset, offset: keyOffset ?? offset, content: { kind: "scalar", value: null } };
}

function child(node: SourceNode, segment: string | number): SourceNode | undefined {
  if (node.content.kind === "map") return node.content.entries.get(String(segment));
  if (node.content.kind === "list" && typeof segment === "number") return node.content.items[segment];
  return undefined;
}

function find(root: SourceNode, path: Path): SourceNode | undefined {
  let node: SourceNode | undefined = root;
  for (const segment of path) node = node && child(node, segment);
  return node;
}

function offsetOf(root: SourceNode, path: Path, at: "key" | "value"): number {
  let node = root;
  for (const segment of path) {
    const next = child(node, segment);
    // What is missing is reported where it should be: at the key that holds it, or at the list item.
    if (!next) return node.keyOffset ?? node.offset;
    node = next;
  }
  return at === "key" ? (node.keyOffset ?? node.offset) : node.offset;
}
