/** `federate schema`: what editors complete and check a federation.yaml with. */
import { federationJsonSchema } from "../config";
import { EXIT, type ExitCode } from "./exit-codes";
import type { CliIo } from "./io";

export function printSchema(io: CliIo): ExitCode {
  io.stdout.write(`${JSON.stringify(federationJsonSchema(), null, 2)}\n`);
  return EXIT.ok;
}
