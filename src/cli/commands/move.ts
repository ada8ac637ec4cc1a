/** Commands that move guests. */
import { type Command, Option } from "commander";
import type { MigrateOptions } from "../migrate/command";
import { parseSeconds } from "../option-values";
import { type CommandContext, formatOption } from "./context";

/** As in the federation file; `storage-migration` is the guide's other word. */
const METHODS = ["backup-restore", "storage", "storage-migration", "offline"];

export function addMoveCommands(program: Command, { io, finish, file }: CommandContext): void {
  program
    .command("migrate")
    .description("move one VM to another cluster: shows what will happen, asks on a terminal, moves, verifies, removes the source")
    .argument("<guest>", "vmid, vm-<vmid> or name")
    .requiredOption("--from <cluster>", "cluster it is on")
    .requiredOption("--to <cluster>", "cluster it shall be on")
    .option("--dry-run", "check everything and show what would happen, change nothing")
    .addOption(new Option("--method <method>", "instead of the path's or the default method").choices(METHODS))
    .option("--node <name>", "node of the target (default: placement's choice)")
    .option("--pool <name>", "pool at the target (default: its own, else federation.default_pool)")
    .option("--hand-over", "also a VM that a Pulumi stack owns; run `pulumi refresh` there afterwards")
    .option("--override", "also outside the migration window")
    .option("--shutdown-timeout <seconds>", "how long the guest may take to shut down", parseSeconds, 180)
    .option("-y, --yes", "do not ask")
    .addOption(formatOption())
    .action(async (guest: string, { method, ...options }: MigrateOptions) => {
      const named = (method as string | undefined) === "storage-migration" ? "storage" : method;
      finish(await (await import("../migrate/command.js")).migrate(file(), guest, { ...options, ...(named ? { method: named } : {}) }, io));
    });
}
