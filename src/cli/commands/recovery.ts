/** Commands that prove that what is lost can be brought back. */
import type { Command } from "commander";
import type { DrillOptions } from "../drill/command";
import { parseSeconds, repeated } from "../option-values";
import { type CommandContext, formatOption } from "./context";

export function addRecoveryCommands(program: Command, { io, finish, file }: CommandContext): void {
  program
    .command("drill")
    .description("restore the newest backups to an isolated bridge, start the copies, measure how long that took, and remove them")
    .option("-p, --pool <name>", "every VM of this pool")
    .option("--vm <name>", "only this one, by name or vmid (web-1, 100, vm-100); may be repeated", repeated, [])
    .option("--cluster <id>", "where to restore (default: another member of the pool that sees the backups, else the VM's own cluster)")
    .option("--bridge <name>", "bridge without a way out (default: failover.drill_bridge of the federation file)")
    .option("--keep", "leave the copies running for a look; the next drill removes them")
    .option("--agent-timeout <seconds>", "how long a guest agent may take to answer", parseSeconds, 300)
    .option("--settle <seconds>", "how long a VM without an agent has to stay running", parseSeconds, 30)
    .addOption(formatOption())
    .action(async (options: DrillOptions) => finish(await (await import("../drill/command.js")).drill(file(), options, io)));
}
