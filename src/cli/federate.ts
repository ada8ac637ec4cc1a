#!/usr/bin/env node
/** The `federate` command. */
import "./compile-cache";
import "./short-run";
import { runCli } from "./program";

const { version } = require("../../package.json") as { version: string };

// A reader that has seen enough (`federate status | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const io = { stdout: process.stdout, stderr: process.stderr, environment: process.env, stdin: process.stdin };
void runCli(process.argv.slice(2), io, version).then((exitCode) => {
  process.exitCode = exitCode;
});
