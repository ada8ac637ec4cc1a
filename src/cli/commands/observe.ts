/** Commands that look at the live federation. */
import { type Command, Option } from "commander";
import type { AuditOptions } from "../audit/command";
import type { MetricsOptions } from "../metrics/command";
import { parseCount, parseInstant, parseSeconds } from "../option-values";
import { REPORT_KINDS, type ReportOptions } from "../report/options";
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
  program
    .command("report")
    .description("the federation, and what a Pulumi preview plans for it, as a picture, a page or text for a pull request")
    .option("--preview <file>", "output of `pulumi preview --json`")
    .addOption(
      new Option("--as <kind>", "what to make; markdown needs --preview and asks no cluster").choices(REPORT_KINDS).default("html"),
    )
    .option("-o, --output <file>", "write there instead of to the terminal")
    .action(async (options: ReportOptions) => finish(await (await import("../report/command.js")).report(file(), options, io)));
  program
    .command("audit")
    .description("which moves were made or tried, by whom, and how they ended; from migration_policies.audit_log")
    .option("--since <instant>", "only moves that ended later, for example 2026-03-01T00:00:00Z", parseInstant)
    .option("--name <name>", "only those of this resource")
    .option("--cluster <id>", "only those from or to this cluster")
    .addOption(new Option("--result <result>", "only those that ended so").choices(["moved", "rolled-back", "unfinished"]))
    .option("--limit <count>", "the newest so many", parseCount, 50)
    .addOption(formatOption())
    .action(async (options: AuditOptions) => finish(await (await import("../audit/command.js")).audit(file(), options, io)));
}
