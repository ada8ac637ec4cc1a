/** Logs of one JSON object per line, read back. */
import { readFile } from "node:fs/promises";
import type { z } from "zod";

export interface JsonLines<T> {
  entries: T[];
  /** Line numbers that are no entries: cut off by a full disk, or edited. */
  broken: number[];
}

/** A file that is not there yet is an empty log. */
export async function readJsonLines<T>(file: string, schema: z.ZodType<T>): Promise<JsonLines<T>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { entries: [], broken: [] };
    throw error;
  }
  const log: JsonLines<T> = { entries: [], broken: [] };
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const entry = entryOf(line, schema);
    if (entry === undefined) log.broken.push(index + 1);
    else log.entries.push(entry);
  }
  return log;
}

function entryOf<T>(line: string, schema: z.ZodType<T>): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
