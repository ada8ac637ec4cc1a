/** Commands that decide where guests would go, and change nothing. */
import type { Command } from "commander";
import type { AllocateOptions } from "../allocate/command";
import { parseCores, parseInstant } from "../option-values";
import { type CommandContext, formatOption } from "./context";

export function addPlanCommands(program: Command, { io, finish, file }: CommandContext): void {
  program
    .command("allocate")
    .description("where a VM of that size would go now; on declared capacity when no cluster of the pool answers")
    .requiredOption("-p, --pool <name>", "resource pool it is for")
    .option("--cpu <cores>", "cores", parseCores, 2)
    .option("--memory <size>", "memory; GiB is binary, GB decimal", "4GB")
    .option("--storage <size>", "disk on the primary storage; 0B for none", "100GB")
    .option("--location <place>", "preferred place, for example Amsterdam")
    .option("--at <instant>", "decide as of then: which time windows are open, for example 2026-03-01T22:00:00Z (default: now)", parseInstant)
    .option("--explain", "show every candidate with its score, or why it is none")
    .addOption(formatOption())
    .action(async (options: AllocateOptions) => finish(await (await import("../allocate/command.js")).allocate(file(), options, io)));
}
