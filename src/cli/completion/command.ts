/** `federate completion`, and what its scripts call while somebody types. */
import type { Command } from "commander";
import { loadFederation } from "../../config";
import { EXIT, type ExitCode } from "../exit-codes";
import { codeOf } from "../failure";
import type { CliIo } from "../io";
import { candidates, type KnownNames } from "./candidates";
import { completionScript, type Shell } from "./scripts";

export function printCompletion(shell: Shell, io: CliIo): ExitCode {
  io.stdout.write(completionScript(shell));
  return EXIT.ok;
}

/** Prints candidates, one a line. */
export async function complete(program: Command, words: string[], file: string, io: CliIo): Promise<ExitCode> {
  const names = await knownNames(file);
  const found = candidates(program, words, () => names);
  if (found.length > 0) io.stdout.write(`${found.join("\n")}\n`);
  return EXIT.ok;
}

/** A file that cannot be used has no names to offer; the command itself will say what is wrong with it. */
async function knownNames(file: string): Promise<KnownNames> {
  try {
    const { federation } = await loadFederation(file);
    return { pools: federation.resourcePools.map(({ name }) => name), clusters: federation.clusters.map(({ id }) => id) };
  } catch (error) {
    if (error instanceof Error && codeOf(error) !== undefined) return { pools: [], clusters: [] };
    throw error;
  }
}
