#!/usr/bin/env node
/** The `federate` command. */
import { Command } from "commander";
import { FederationConfigError } from "../config";
import { simulateCommand } from "./simulate";

const { version } = require("../../package.json") as { version: string };

const program = new Command("federate")
  .description("Federations of independent Proxmox VE clusters")
  .version(version)
  .showHelpAfterError()
  .addCommand(simulateCommand());

program.parseAsync().catch((error: unknown) => {
  // One clear message; a stack only where it is our own fault.
  const expected = error instanceof FederationConfigError || (error instanceof Error && "code" in error);
  process.stderr.write(`${expected ? (error as Error).message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
