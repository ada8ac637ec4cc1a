/** Commands that decide where guests would go, and change nothing. */
import type { Command } from "commander";
import type { AllocateOptions } from "../allocate/command";
import type { ForecastOptions } from "../forecast/command";
import { parseCores, parseCount, parseDays, parseInstant, parseSeconds, repeated } from "../option-values";
import type { PlanOptions } from "../plan/command";
import type { RebalanceOptions } from "../rebalance/command";
import type { WhatIfOptions } from "../whatif/command";
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
    .option(
      "--at <instant>",
      "decide as of then: which time windows are open, for example 2026-03-01T22:00:00Z (default: now)",
      parseInstant,
    )
    .option("--forecast <days>", "judge candidates as they are predicted to be by then, from their recorded use", parseDays)
    .option("--explain", "show every candidate with its score, or why it is none")
    .addOption(formatOption())
    .action(async (options: AllocateOptions) => finish(await (await import("../allocate/command.js")).allocate(file(), options, io)));
  program
    .command("plan")
    .description("where every guest of the pools should be by the rules, and what would have to move; without Pulumi")
    .option("--layout <file>", "also VMs to come: YAML with `vms:`, each as in a Pulumi program, and `count`")
    .option("--at <instant>", "decide for that moment instead of now, for example 2026-03-01T22:00:00Z", parseInstant)
    .option("--make-room", "guests that are well where they are may move too, where that gives others a place or saves bytes")
    .option("--exact", "the proven cheapest plan, for small federations; needs the package highs, and computes for up to a minute")
    .option("--html <file>", "write the plan as a page with a picture")
    .addOption(formatOption())
    .action(async (options: PlanOptions) => finish(await (await import("../plan/command.js")).plan(file(), options, io)));
  program
    .command("whatif")
    .description("what would become of the guests; without options: whether every cluster survives the loss of each of its nodes")
    .option("--lose <place>", "a cluster, or a node as cluster/node, is gone; may be repeated", repeated, [])
    .option("--drain <place>", "the same, emptied in good order", repeated, [])
    .option("--grow <file>", "VMs to come, as `plan --layout` takes them")
    .option("--html <file>", "write the outcome as a page with a picture")
    .addOption(formatOption())
    .action(async (options: WhatIfOptions) => finish(await (await import("../whatif/command.js")).whatif(file(), options, io)));
  program
    .command("forecast")
    .description("when storages and memory will be full, by a straight line through the use that Proxmox has recorded")
    .option("--days <days>", "how far ahead; beyond 60 the records of a year are used instead of a month's", parseDays, 30)
    .addOption(formatOption())
    .action(async (options: ForecastOptions) => finish(await (await import("../forecast/command.js")).forecast(file(), options, io)));
  program
    .command("rebalance")
    .description("moves that would make the layout better by the pools' strategies, within a budget; prints a plan, moves nothing")
    .option("--max-moves <count>", "moves at most", parseCount, 10)
    .option("--max-bytes <size>", "bytes between clusters at most; 0B: only moves inside clusters, which are live", "0B")
    .option("--max-link-seconds <seconds>", "how long each link between clusters may be busy", parseSeconds)
    .option("--least-gain <points>", "points that a move has to gain at least (50)", parseCount)
    .option("--html <file>", "write the plan as a page with a picture")
    .addOption(formatOption())
    .action(async (options: RebalanceOptions) => finish(await (await import("../rebalance/command.js")).rebalance(file(), options, io)));
}
