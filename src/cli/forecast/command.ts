/** `federate forecast`: when storages and memory will be full, from the use that Proxmox has recorded. Changes nothing. */
import { askClusters, exitCodesOf } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, painterFor } from "../io";
import { writeResult } from "../output";
import { readVisibleRows } from "../snapshot";
import { withClients } from "../with-clients";
import { readHistory, timeframeFor } from "./history";
import { outlooksOf, outlookText } from "./outlook";

export interface ForecastOptions {
  days: number;
  format: Format;
}

export async function forecast(file: string, { days, format }: ForecastOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const timeframe = timeframeFor(days);
  return withClients(file, io, async (clients) => {
    const asked = await askClusters(federation.clusters, clients, async (api, cluster, options) =>
      readHistory(api, cluster.id, await readVisibleRows(api, options), timeframe, options),
    );
    const nowMs = Date.now();
    const outlooks = asked.flatMap((answer) => (answer.ok ? outlooksOf(answer.cluster.id, answer.value, nowMs, days) : []));
    const notes = asked.flatMap((answer) => (answer.ok ? answer.value.gaps : [`${answer.cluster.id} is left out: ${answer.reason}`]));
    writeResult(io.stdout, format, { days, timeframe, outlooks, notes }, () => outlookText(outlooks, notes, days, painterFor(io.stdout)));
    return worstOf([outlooks.some(({ fillsUp }) => fillsUp) ? EXIT.finding : EXIT.ok, ...exitCodesOf(asked)]);
  });
}
