/** Shared pieces of the resources' input schemas, and how zod's findings become Pulumi's. */
import { z } from "zod";
import { parseSizeBytes } from "../config";

/** A number without a unit is one of bytes; nobody means so few. */
const LEAST_BYTES = 1024 * 1024;

/** `"32GiB"`, or a number of bytes. Yields bytes. */
export const sizeInput = z.union([z.number(), z.string()]).transform((value, context) => {
  try {
    const bytes = typeof value === "number" ? value : parseSizeBytes(value);
    if (!Number.isSafeInteger(bytes) || bytes <= 0) throw new RangeError(`${value} is not a positive size`);
    if (typeof value === "number" && bytes < LEAST_BYTES) throw new RangeError(`${value} is a size of ${bytes} bytes, less than 1 MiB`);
    return bytes;
  } catch (error) {
    context.addIssue({ code: "custom", message: `${(error as Error).message}: write it like "32GiB"` });
    return z.NEVER;
  }
});

export interface CheckFailure {
  property: string;
  reason: string;
}

/** `disks[0].size` */
export function propertyPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? String(part) : `${text}.${String(part)}`),
    "",
  );
}

export function toFailures(error: z.ZodError): CheckFailure[] {
  return error.issues.map((issue) => ({ property: propertyPath(issue.path), reason: issue.message }));
}
