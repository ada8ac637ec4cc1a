/** `federate validate`: the file, and with --check-connectivity what stands behind it. */
import { type Federation, FederationConfigError, loadFederation } from "../../config";
import { credentialEnvironment } from "../context";
import type { ExitCode } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, painterFor } from "../io";
import { writeResult } from "../output";
import type { ConnectivityCheck } from "./connectivity";
import type { Finding } from "./finding";
import { lint } from "./lints";
import { locate } from "./locate";
import { toReport, validateExitCode } from "./report";
import { validateText } from "./text";

export interface ValidateOptions {
  checkConnectivity?: boolean;
  format: Format;
}

export async function validate(file: string, options: ValidateOptions, io: CliIo): Promise<ExitCode> {
  const { federation, findings } = await checkFile(file);
  const live = federation !== undefined && options.checkConnectivity ? await askAll(federation, file, io) : undefined;
  const report = toReport(file, findings, live);
  writeResult(io.stdout, options.format, report, () => validateText(report, painterFor(io.stdout)));
  return validateExitCode(report);
}

async function checkFile(file: string): Promise<{ federation?: Federation; findings: Finding[] }> {
  try {
    const { federation, warnings, positionOf } = await loadFederation(file);
    return { federation, findings: [...warnings, ...locate(lint(federation), positionOf, file)] };
  } catch (error) {
    if (!(error instanceof FederationConfigError)) throw error;
    return { findings: error.issues };
  }
}

/** Loads what talks to clusters only now: checking a file should be quick. */
async function askAll(federation: Federation, file: string, io: CliIo): Promise<ConnectivityCheck> {
  const [{ createClusterClients }, { checkConnectivity }, { auditFile, readAuditLog }] = await Promise.all([
    import("../../inventory/index.js"),
    import("./connectivity/index.js"),
    import("../audit/log.js"),
  ]);
  const log = auditFile(federation, file);
  const moves = log === undefined ? [] : (await readAuditLog(log)).entries;
  const environment = credentialEnvironment(file, io);
  const clients = createClusterClients(environment);
  try {
    return await checkConnectivity(federation, clients, environment, moves);
  } finally {
    await clients.close();
  }
}
