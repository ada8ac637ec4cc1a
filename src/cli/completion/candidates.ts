/** What may come next on a half-typed command line. Reads the commands' own definitions, so it cannot fall behind them. Pure. */
import type { Command, Option } from "commander";

/** Names that the federation file declares. */
export interface KnownNames {
  pools: string[];
  clusters: string[];
}

/** Values that an option or argument takes, by the name in its definition: `--pool <name>`, `--from <cluster>`. */
const NAMES_OF: Record<string, keyof KnownNames> = { pool: "pools", cluster: "clusters", from: "clusters", to: "clusters" };

/**
 * @param words after the program's name; the last one is being typed and may be empty
 * @param names is only asked for where names of the file fit
 */
export function candidates(program: Command, words: readonly string[], names: () => KnownNames): string[] {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const command = commandOf(program, before);
  const awaiting = optionAwaitingValue(program, command, before.at(-1));
  const fitting = awaiting ? valuesOf(awaiting, names) : [...wordsOf(program, command), ...optionsOf(program, command)];
  // Options only once a dash is typed: they would bury the commands.
  return fitting.filter((word) => word.startsWith(typed) && (typed !== "" || awaiting !== undefined || !word.startsWith("-"))).sort();
}

function commandOf(program: Command, before: readonly string[]): Command | undefined {
  let skip = false;
  for (const word of before) {
    if (skip) skip = false;
    else if (word.startsWith("-")) skip = takesValue(program.options.find((option) => isCalled(option, word)));
    else return program.commands.find((command) => command.name() === word);
  }
  return undefined;
}

function optionAwaitingValue(program: Command, command: Command | undefined, last: string | undefined): Option | undefined {
  if (last === undefined || !last.startsWith("-")) return undefined;
  const option = [...(command?.options ?? []), ...program.options].find((candidate) => isCalled(candidate, last));
  return takesValue(option) ? option : undefined;
}

function isCalled({ short, long }: Option, word: string): boolean {
  return word === short || word === long;
}

function takesValue(option: Option | undefined): boolean {
  return option?.required === true;
}

function valuesOf(option: Option, names: () => KnownNames): string[] {
  if (option.argChoices) return option.argChoices;
  const kind = NAMES_OF[option.attributeName()] ?? NAMES_OF[/<(\w+)/.exec(option.flags)?.[1] ?? ""];
  return kind === undefined ? [] : names()[kind];
}

function wordsOf(program: Command, command: Command | undefined): string[] {
  if (command) return command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  return program.commands.map((known) => known.name()).filter((name) => !name.startsWith("_"));
}

function optionsOf(program: Command, command: Command | undefined): string[] {
  return [...(command?.options ?? []), ...program.options].flatMap(({ long }) => long ?? []).concat("--help");
}
