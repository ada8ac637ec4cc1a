/** Commands for setting up and trying out. */
import { Argument, type Command } from "commander";
import { SHELLS, type Shell } from "../completion/scripts";
import type { ImportOptions } from "../import/command";
import type { InitOptions } from "../init/command";
import { parseAmount, parsePort, repeated } from "../option-values";
import type { RotateOptions } from "../rotate/command";
import type { SimulateOptions } from "../simulate";
import type { CommandContext } from "./context";

export function addSetupCommands(program: Command, { io, finish, file }: CommandContext): void {
  program
    .command("simulate")
    .description("serve simulated Proxmox VE clusters for the federation's file; prints one line of JSON, then runs until interrupted")
    .option("--state <directory>", "keep the simulated world there and go on with it at the next start")
    .option("--port-base <port>", "admin API on this port, one port per node after it (default: free ports)", parsePort)
    .option("--latency <ms>", "virtual time that every request takes at least", parseAmount)
    .option("--time-scale <factor>", "how many times as fast as real time (0: only by the admin API)", parseAmount)
    .option("--write-config <file>", "write the federation's file there with endpoints and fingerprints of the simulated clusters")
    .action(async (options: SimulateOptions) => finish(await (await import("../simulate.js")).simulate(file(), options, io)));
  program
    .command("init")
    .description("write a federation file: asks for each cluster's address and token, and looks at what is there")
    .option("--force", "replace a file that exists")
    .action(async (options: InitOptions) => finish(await (await import("../init/command.js")).init(file(), options, io)));
  program
    .command("import")
    .description("write a Pulumi program for VMs that exist, which takes them over as they are; changes nothing")
    .option("--cluster <id>", "only those of this cluster; may be repeated", repeated, [])
    .option("--pool <name>", "only those in this Proxmox pool")
    .option("--into <pool>", "pool of the federation for VMs that are in none (default: federation.default_pool)")
    .option("-o, --output <file>", "write to this new file instead of the terminal")
    .action(async (options: ImportOptions) => finish(await (await import("../import/command.js")).importGuests(file(), options, io)));
  program
    .command("rotate")
    .description("make a new API token per cluster with the same grants, try it, put it into use, and revoke the old one")
    .option("--cluster <id>", "only this one; may be repeated", repeated, [])
    .option("--admin <user>", "user that may make tokens and grants; its password is in FEDERATE_ADMIN_PASSWORD", "root@pam")
    .option("--secrets <file>", "file for secrets that the federation file takes from the environment or from Pulumi", "federation.secrets")
    .option("--keep-old", "leave the old tokens valid")
    .option("--dry-run", "only say what would be done")
    .action(async (options: RotateOptions) => finish(await (await import("../rotate/command.js")).rotate(file(), options, io)));
  program
    .command("completion")
    .description('print what makes a shell complete federate\'s commands and names: eval "$(federate completion bash)"')
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .action(async (shell: Shell) => finish((await import("../completion/command.js")).printCompletion(shell, io)));
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .action(async (words: string[]) => finish(await (await import("../completion/command.js")).complete(program, words, file(), io)));
}
