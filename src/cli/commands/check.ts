/** Commands that say whether a federation file is right, and whether its clusters do what is asked of them. */
import type { Command } from "commander";
import { parseVmidRange, repeated } from "../option-values";
import type { SelftestOptions } from "../selftest/command";
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
  program
    .command("selftest")
    .description("create, change, move and destroy a small VM of its own on each cluster, and check that nothing is left")
    .requiredOption("--pool <name>", "Proxmox pool for the test VMs; made and removed where it does not exist")
    .option("--vmid-range <first-last>", "vmids for the test VMs, for example 9900-9919 (default: as for other new VMs)", parseVmidRange)
    .option("--storage <name>", "storage of the test disks, or CLUSTER=STORAGE; may be repeated (default: the primary one)", repeated, [])
    .option("--cluster <id>", "only this one; may be repeated (default: every active cluster with a connection)", repeated, [])
    .option("--bridge <name>", "bridge or logical network of the test VM (default: no network card)")
    .option("--keep", "leave the test VMs and the pool for a look; the next test removes them")
    .option("--dry-run", "only say what would be done; asks no cluster")
    .option("--verbose", "tell what happens inside the steps")
    .addOption(formatOption())
    .action(async (options: SelftestOptions) => finish(await (await import("../selftest/command.js")).selftest(file(), options, io)));
}
