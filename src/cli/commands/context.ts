/** What the definition of a command gets: where it writes, how it ends, and which federation file is meant. */
import { Option } from "commander";
import type { ExitCode } from "../exit-codes";
import { FORMATS } from "../formats";
import type { CliIo } from "../io";

export interface CommandContext {
  io: CliIo;
  finish(code: ExitCode): void;
  /** Of `-c`, the environment or the default. */
  file(): string;
}

export function formatOption(): Option {
  return new Option("--format <format>", "how to print the result").choices(FORMATS).default("text");
}
