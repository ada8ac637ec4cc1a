/** zod's issues in the words of this file format. */
import { z } from "zod";
import { didYouMean } from "./nearest";
import type { Path } from "./position";
import type { IssueParams } from "./schema/scalars";

export interface ShapeIssue {
  path: Path;
  /** Where to point: at the key for what is wrong with the key. */
  at: "key" | "value";
  message: string;
  suggestion?: string;
  /** `a|b|c` from documentation, all of it allowed values: what to read instead. */
  firstAlternative?: string;
}

/**
 * @param valueAt the value in the checked data, by path
 * @param knownKeys the keys an object may have, by path
 */
export function describeShapeIssue(
  issue: z.core.$ZodIssue,
  base: Path,
  valueAt: (path: Path) => unknown,
  knownKeys: (path: Path) => string[],
): ShapeIssue[] {
  const path: Path = [...base, ...issue.path.map((segment) => (typeof segment === "number" ? segment : String(segment)))];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        path: [...path, key],
        at: "key",
        message: `unknown key \`${key}\``,
        suggestion: suggestKey(key, knownKeys(path)),
      }));
    case "invalid_value":
      return [describeInvalidValue(path, valueAt(path), issue.values.map(String))];
    case "invalid_type":
      return [describeInvalidType(path, valueAt(path), issue)];
    case "invalid_union": {
      // The branch of the value's own type knows what is wrong inside; the others only say it is not theirs.
      const branch = issue.errors.find(
        (candidates) => !candidates.some(({ code, path: at }) => code === "invalid_type" && at.length === 0),
      );
      return branch
        ? branch.flatMap((inner) => describeShapeIssue(inner, path, valueAt, knownKeys))
        : [{ path, at: "value", message: unionMessage(issue, valueAt(path)) }];
    }
    case "invalid_key":
      return issue.issues.map((inner) => ({ path, at: "key", message: inner.message, suggestion: suggestionOf(inner) }));
    default:
      return [{ path, at: "value", message: issue.message, suggestion: suggestionOf(issue) }];
  }
}

function describeInvalidValue(path: Path, value: unknown, allowed: string[]): ShapeIssue {
  const oneOf = `one of ${allowed.join(", ")}`;
  if (value === undefined) return missing(path, `It is ${oneOf}.`);
  if (typeof value !== "string") return { path, at: "value", message: `must be ${oneOf}` };
  const alternatives = value.split("|").map((part) => part.trim());
  if (alternatives.length > 1 && alternatives.every((part) => allowed.includes(part))) {
    return {
      path,
      at: "value",
      message: `"${value}" lists the possible values`,
      suggestion: `Choose ${oneOf}.`,
      firstAlternative: alternatives[0]!,
    };
  }
  return { path, at: "value", message: `"${value}" is not ${oneOf}`, suggestion: didYouMean(value, allowed) };
}

function describeInvalidType(path: Path, value: unknown, issue: z.core.$ZodIssueInvalidType): ShapeIssue {
  // Our own text: a secret that stands in the file.
  if (issue.expected === "never") return { path, at: "key", message: issue.message };
  if (value === undefined) return missing(path);
  if (value === null)
    return {
      path,
      at: "key",
      message: "has no value",
      suggestion: "Give it one or remove the key; check the indentation of the lines below.",
    };
  const expected = EXPECTED.get(issue.expected) ?? issue.expected;
  const quote = issue.expected === "string" && (typeof value === "number" || typeof value === "boolean");
  return { path, at: "value", message: `must be ${expected}, not ${typeName(value)}`, suggestion: quote ? "Put it in quotes." : undefined };
}

const EXPECTED = new Map<string, string>([
  ["string", "a text"],
  ["number", "a number"],
  ["int", "a whole number"],
  ["boolean", "true or false"],
  ["array", "a list"],
  ["object", "a mapping"],
  ["record", "a mapping"],
]);

function typeName(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value === "number") return Number.isInteger(value) ? "a number" : `${value}`;
  return typeof value === "boolean" ? "true or false" : "a text";
}

function missing(path: Path, suggestion?: string): ShapeIssue {
  return { path, at: "key", message: `\`${path.at(-1)}\` is missing`, suggestion };
}

function unionMessage(issue: z.core.$ZodIssueInvalidUnion, value: unknown): string {
  if (value === undefined) return "is missing";
  if (value === null) return "has no value";
  return issue.message === "Invalid input" ? `must not be ${typeName(value)}` : issue.message;
}

function suggestionOf(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code !== "custom") return undefined;
  return (issue.params as IssueParams | undefined)?.suggestion;
}

function suggestKey(key: string, known: string[]): string {
  return didYouMean(key, known) ?? `Known keys here: ${known.join(", ")}.`;
}

/** Keys of the object schema at `path`, without those that exist only to be refused. */
export function knownKeysAt(schema: z.core.$ZodType, path: Path): string[] {
  const found = objectsAt(schema, path).flatMap((object) => Object.entries(object.shape));
  return found.filter(([, value]) => !isRefused(value)).map(([key]) => key);
}

function isRefused(schema: z.core.$ZodType): boolean {
  return unwrapped(schema).every((inner) => inner instanceof z.ZodNever);
}

function objectsAt(schema: z.core.$ZodType, path: Path): z.ZodObject[] {
  const [segment, ...rest] = path;
  return unwrapped(schema).flatMap((inner) => {
    if (segment === undefined) return inner instanceof z.ZodObject ? [inner] : [];
    if (inner instanceof z.ZodObject) {
      const property: z.core.$ZodType | undefined = inner.shape[segment];
      return property ? objectsAt(property, rest) : [];
    }
    if (inner instanceof z.ZodArray) return objectsAt(inner.element, rest);
    if (inner instanceof z.ZodRecord) return objectsAt(inner.valueType, rest);
    return [];
  });
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional) return unwrapped(schema.unwrap());
  if (schema instanceof z.ZodPipe) return unwrapped(schema.in);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(unwrapped);
  return [schema];
}
