/**
 * The commands and their options. What a command does is loaded when it runs: `--help` loads nothing but commander.
 * (Dynamic imports name the file with its extension: unlike the static ones they are not compiled to `require`.)
 */
import { Command, CommanderError, Option } from "commander";
import type { AllocateOptions } from "./allocate/command";
import { cleanArguments } from "./arguments";
import { EXIT, EXIT_CODE_HELP, type ExitCode } from "./exit-codes";
import { describeFailure } from "./failure";
import { federationFile } from "./federation-file";
import { FORMATS, type Format } from "./formats";
import { type CliIo, painterFor, printable } from "./io";
import { parseAmount, parseCores, parsePort } from "./option-values";
import type { SimulateOptions } from "./simulate";
import type { ValidateOptions } from "./validate/command";

/** Runs one call of the command. Never rejects: what went wrong is told on the error output and in the exit code. */
export async function runCli(argv: readonly string[], io: CliIo, version: string): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const program = buildProgram(io, version, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(cleanArguments(argv), { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has told its own errors already; asking for help or the version is none.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const failure = describeFailure(error);
    io.stderr.write(`${painterFor(io.stderr)("red", "error:")} ${printable(failure.message)}\n`);
    return failure.exitCode;
  }
}

function buildProgram(io: CliIo, version: string, finish: (code: ExitCode) => void): Command {
  const program = new Command("federate")
    .description("Federations of independent Proxmox VE clusters")
    .version(version)
    .option("-c, --config <file>", "federation file (default: $FEDERATION_CONFIG, else federation.yaml)")
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(--help shows what can be given)")
    .exitOverride();
  // After exitOverride and the rest: commands take over the settings of the moment they are made.
  const file = () => federationFile(program.opts<{ config?: string }>().config, io.environment);
  addValidate(program, io, finish, file);
  addStatus(program, io, finish, file);
  addAllocate(program, io, finish, file);
  addSchema(program, io, finish);
  addSimulate(program, io, finish, file);
  program.addHelpText("afterAll", EXIT_CODE_HELP);
  return program;
}

type Finish = (code: ExitCode) => void;

function formatOption(): Option {
  return new Option("--format <format>", "how to print the result").choices(FORMATS).default("text");
}

function addValidate(program: Command, io: CliIo, finish: Finish, file: () => string): void {
  program
    .command("validate")
    .description("check the federation file, and on request everything it names on the live clusters")
    .option(
      "--check-connectivity",
      "ask every cluster: endpoints, certificates, privileges, clocks, storages, bridges, images, backup stores",
    )
    .addOption(formatOption())
    .action(async (options: ValidateOptions) => finish(await (await import("./validate/command.js")).validate(file(), options, io)));
}

function addStatus(program: Command, io: CliIo, finish: Finish, file: () => string): void {
  program
    .command("status")
    .description("the clusters as they are now: health, versions, capacity and pressure, running tasks, unfinished moves")
    .addOption(formatOption())
    .action(async (options: { format: Format }) => finish(await (await import("./status/command.js")).status(file(), options, io)));
}

function addAllocate(program: Command, io: CliIo, finish: Finish, file: () => string): void {
  program
    .command("allocate")
    .description("where a VM of that size would go now; on declared capacity when no cluster of the pool answers")
    .requiredOption("-p, --pool <name>", "resource pool it is for")
    .option("--cpu <cores>", "cores", parseCores, 2)
    .option("--memory <size>", "memory; GiB is binary, GB decimal", "4GB")
    .option("--storage <size>", "disk on the primary storage; 0B for none", "100GB")
    .option("--location <place>", "preferred place, for example Amsterdam")
    .option("--explain", "show every candidate with its score, or why it is none")
    .addOption(formatOption())
    .action(async (options: AllocateOptions) => finish(await (await import("./allocate/command.js")).allocate(file(), options, io)));
}

function addSchema(program: Command, io: CliIo, finish: Finish): void {
  program
    .command("schema")
    .description("print the JSON Schema of federation.yaml, for editors")
    .action(async () => finish((await import("./schema.js")).printSchema(io)));
}

function addSimulate(program: Command, io: CliIo, finish: Finish, file: () => string): void {
  program
    .command("simulate")
    .description("serve simulated Proxmox VE clusters for the federation's file; prints one line of JSON, then runs until interrupted")
    .option("--state <directory>", "keep the simulated world there and go on with it at the next start")
    .option("--port-base <port>", "admin API on this port, one port per node after it (default: free ports)", parsePort)
    .option("--latency <ms>", "virtual time that every request takes at least", parseAmount)
    .option("--time-scale <factor>", "how many times as fast as real time (0: only by the admin API)", parseAmount)
    .option("--write-config <file>", "write the federation's file there with endpoints and fingerprints of the simulated clusters")
    .action(async (options: SimulateOptions) => finish(await (await import("./simulate.js")).simulate(file(), options, io)));
}
