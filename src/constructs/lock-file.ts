/** `federation.lock.json`: where each VM was put, so that the next synth leaves it there. Belongs into version control. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { replaceFile } from "../config";
import type { Placement } from "../placement";
import { SynthError } from "./errors";

const lockSchema = z.strictObject({
  version: z.literal(1),
  federation: z.string(),
  /** By `stack/name`. */
  vms: z.record(z.string(), z.strictObject({ cluster: z.string(), node: z.string(), storages: z.array(z.string()) })),
});

export type Lock = ReadonlyMap<string, Placement>;

/** Absent when there is no file. */
export async function readLock(file: string, federation: string): Promise<Lock | undefined> {
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  const parsed = lockSchema.safeParse(parseJson(text));
  if (!parsed.success)
    throw new SynthError("LOCK_FILE", [
      `${file} is not a lock file of this version: ${z.prettifyError(parsed.error)}. Take it from version control again.`,
    ]);
  if (parsed.data.federation !== federation)
    throw new SynthError("LOCK_FILE", [
      `${file} belongs to federation ${parsed.data.federation}, not to ${federation}. Name another lockFile.`,
    ]);
  return new Map(Object.entries(parsed.data.vms));
}

/** Whole or not at all. */
export async function writeLock(file: string, federation: string, lock: Lock): Promise<void> {
  const vms = Object.fromEntries(
    [...lock].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, { cluster, node, storages }]) => [key, { cluster, node, storages }]),
  );
  await replaceFile(file, `${JSON.stringify({ version: 1, federation, vms }, undefined, 2)}\n`);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema names what is wrong with a file that is no JSON.
    return undefined;
  }
}
