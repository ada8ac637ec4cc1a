/**
 * One call of the command line. What a command does is loaded when it runs: `--help` loads nothing but commander.
 * (Dynamic imports name the file with its extension: unlike the static ones they are not compiled to `require`.)
 */
import { Command, CommanderError } from "commander";
import { cleanArguments } from "./arguments";
import { addCheckCommands } from "./commands/check";
import { addMoveCommands } from "./commands/move";
import { addObserveCommands } from "./commands/observe";
import { addPlanCommands } from "./commands/plan";
import { addRecoveryCommands } from "./commands/recovery";
import { addSetupCommands } from "./commands/setup";
import { addVolumeCommands } from "./commands/volumes";
import { EXIT, EXIT_CODE_HELP, type ExitCode } from "./exit-codes";
import { describeFailure } from "./failure";
import { federationFile } from "./federation-file";
import { type CliIo, painterFor, printable } from "./io";

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
  const context = { io, finish, file };
  addCheckCommands(program, context);
  addObserveCommands(program, context);
  addPlanCommands(program, context);
  addMoveCommands(program, context);
  addRecoveryCommands(program, context);
  addVolumeCommands(program, context);
  addSetupCommands(program, context);
  program.addHelpText("afterAll", EXIT_CODE_HELP);
  return program;
}
