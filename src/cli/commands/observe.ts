/** Commands that look at the live federation. */
import type { Command } from "commander";
import type { MetricsOptions } from "../metrics/command";
import { parseSeconds } from "../option-values";
import type { StatusOptions } from "../status/command";
import { type CommandContext, formatOption } from "./context";

export function addObserveCommands(program: Command, { io, finish, file }: CommandContext): void {
  program
    .command("status")
    .description("the clusters as they are now: health, versions, capacity and pressure, running tasks, unfinished moves")
    .option("--watch [seconds]", "look again every so many seconds (5) until interrupted", parseSeconds)
    .addOption(formatOption())
    .action(async (options: StatusOptions) => finish(await (await import("../status/command.js")).status(file(), options, io)));
  program
    .command("metrics")
    .description("the federation's state for Prometheus: printed once, served on a port, or written to a file for node_exporter")
    .option("--listen <address>", "serve /metrics on port or host:port (host: 127.0.0.1) until interrupted")
    .option("--textfile <file>", "write there instead, replacing the file as a whole")
    .option("--every <seconds>", "write the file again and again until interrupted", parseSeconds)
    .action(async (options: MetricsOptions) => finish(await (await import("../metrics/command.js")).metrics(file(), options, io)));
}
