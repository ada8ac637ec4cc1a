/** What every command that reads the federation file starts with. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { type CredentialEnvironment, formatIssue, type LoadedFederation, loadFederation } from "../config";
import { type CliIo, painterFor, printable } from "./io";

/** Loads the file and tells its warnings on the error output. */
export async function loadWithWarnings(file: string, io: CliIo): Promise<LoadedFederation> {
  const loaded = await loadFederation(file);
  const paint = painterFor(io.stderr);
  for (const warning of loaded.warnings) io.stderr.write(`${paint("yellow", "warning:")} ${printable(formatIssue(warning))}\n`);
  return loaded;
}

/** Where secrets come from: the environment, and files beside the federation file. */
export function credentialEnvironment(file: string, io: CliIo): CredentialEnvironment {
  return {
    environment: io.environment,
    readFile: (name) => readFile(name, "utf8"),
    baseDir: path.dirname(path.resolve(file)),
  };
}
