/** `federate selftest`: what the product does to VMs, tried on real clusters with a VM of its own. */
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode } from "../exit-codes";
import { UsageError } from "../failure";
import type { Format } from "../formats";
import { type CliIo, painterFor, printable } from "../io";
import { pacing } from "../migrate/pace";
import { writeResult } from "../output";
import { table } from "../words";
import { plannedSteps } from "./dry-run";
import { selftestExitCode, selftestText, stepLine, toReport } from "./report";
import { runSelftest } from "./run";
import { settingsOf } from "./settings";

export interface SelftestOptions {
  pool: string;
  cluster: string[];
  vmidRange?: { first: number; last: number };
  storage: string[];
  bridge?: string;
  keep?: boolean;
  dryRun?: boolean;
  verbose?: boolean;
  format: Format;
}

export async function selftest(file: string, options: SelftestOptions, io: CliIo): Promise<ExitCode> {
  const { pool, format, keep = false } = options;
  if (!/^[A-Za-z][A-Za-z0-9._-]*$/.test(pool))
    throw new UsageError(`--pool ${pool}: a Proxmox pool begins with a letter, then letters, digits and . _ -`);
  const { federation } = await loadWithWarnings(file, io);
  const settings = settingsOf(federation, options);
  if (options.dryRun === true) {
    const steps = plannedSteps(federation, settings, keep);
    writeResult(io.stdout, format, { pool, clusters: settings.clusters, steps }, () =>
      table(steps.map(({ cluster, step, condition = "" }) => [cluster, step, condition])).join("\n"),
    );
    return EXIT.ok;
  }
  const steps = pacing(io);
  const signal = steps.pace.signal ?? new AbortController().signal;
  const told = options.verbose === true ? steps.pace : { ...steps.pace, report: () => undefined, progress: () => undefined };
  const paint = painterFor(io.stderr);
  try {
    const reports = await runSelftest({
      file,
      environment: io.environment,
      federation,
      settings,
      keep,
      pace: { ...told, signal },
      onReport: (report) => io.stderr.write(`${printable(stepLine(report, paint))}\n`),
    });
    const report = toReport({ pool, clusters: settings.clusters, interrupted: signal.aborted }, reports);
    writeResult(io.stdout, format, report, () => selftestText(report, painterFor(io.stdout)));
    return selftestExitCode(report);
  } finally {
    steps.end();
  }
}
