/** Commands that say whether a federation file is right. */
import type { Command } from "commander";
import type { ValidateOptions } from "../validate/command";
import { type CommandContext, formatOption } from "./context";

export function addCheckCommands(program: Command, { io, finish, file }: CommandContext): void {
  program
    .command("validate")
    .description("check the federation file, and on request everything it names on the live clusters")
    .option(
      "--check-connectivity",
      "ask every cluster: endpoints, certificates, privileges, clocks, storages, bridges, images, backup stores",
    )
    .addOption(formatOption())
    .action(async (options: ValidateOptions) => finish(await (await import("../validate/command.js")).validate(file(), options, io)));
  program
    .command("schema")
    .description("print the JSON Schema of federation.yaml, for editors")
    .action(async () => finish((await import("../schema.js")).printSchema(io)));
}
