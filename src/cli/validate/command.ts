/** `federate validate`: the file, and with --check-connectivity what stands behind it. */
import { type Federation, FederationConfigError, loadFederation } from "../../config";
import { credentialEnvironment } from "../context";
import { readProofs } from "../drill/read-proofs";
import type { ExitCode } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, painterFor } from "../io";
import { writeResult } from "../output";
import type { ConnectivityCheck } from "./connectivity";
import type { Finding } from "./finding";
import { lint } from "./lints";
import { lintRestores } from "./lints/restores";
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
    const loaded = await loadFederation(file);
    const { federation, warnings, positionOf } = loaded;
    const nowMs = Date.now();
    const lints = [...lint(loaded), ...lintRestores(await readProofs(federation, file, nowMs), nowMs)];
    return { federation, findings: [...warnings, ...locate(lints, positionOf, file)] };
  } catch (error) {
    if (!(error instanceof FederationConfigError)) throw error;
    return { findings: error.issues };
  }
}

/** Loads what talks to clusters only now: checking a file should be quick. */
async function askAll(federation: Federation, file: string, io: CliIo): Promise<ConnectivityCheck> {
  const [{ withClients }, { checkConnectivity }, { auditFile, readAuditLog }] = await Promise.all([
    import("../with-clients.js"),
    import("./connectivity/index.js"),
    import("../audit/log.js"),
  ]);
  const log = auditFile(federation, file);
  const moves = log === undefined ? [] : (await readAuditLog(log)).entries;
  return withClients(file, io, (clients) => checkConnectivity(federation, clients, credentialEnvironment(file, io), moves));
}
