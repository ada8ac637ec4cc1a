/** `federate allocate`: where a VM of that size would go now. */
import type { Federation, ResourcePool } from "../../config";
import { askClusters } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import type { ExitCode } from "../exit-codes";
import { UsageError } from "../failure";
import { readHistory, timeframeFor } from "../forecast/history";
import type { Format } from "../formats";
import { type CliIo, painterFor } from "../io";
import { writeResult } from "../output";
import { sizeOf } from "../size-option";
import { readVisibleRows } from "../snapshot";
import { withClients } from "../with-clients";
import { allocateExitCode, decide, type Recorded, type Wish } from "./decide";
import { allocationText, toAllocationReport } from "./report";

export interface AllocateOptions {
  pool: string;
  cpu: number;
  memory: string;
  storage: string;
  location?: string;
  /** Milliseconds since the epoch; default: now. */
  at?: number;
  /** Days ahead for which candidates are judged; absent: as they are. */
  forecast?: number;
  explain?: boolean;
  format: Format;
}

export async function allocate(file: string, options: AllocateOptions, io: CliIo): Promise<ExitCode> {
  const wish: Wish = {
    cores: options.cpu,
    memoryBytes: sizeOf("--memory", options.memory),
    storageBytes: sizeOf("--storage", options.storage),
    ...(options.location === undefined ? {} : { location: options.location }),
  };
  const { federation } = await loadWithWarnings(file, io);
  const pool = getPool(federation, options.pool);
  return withClients(file, io, async (clients) => {
    const { forecast: days } = options;
    const asked = await askClusters(federation.clusters, clients, async (api, cluster, callOptions): Promise<Recorded> => {
      const rows = await readVisibleRows(api, callOptions);
      return days === undefined ? rows : readHistory(api, cluster.id, rows, timeframeFor(days), callOptions);
    });
    const allocation = decide(
      federation,
      pool,
      wish,
      asked,
      options.at ?? Date.now(),
      days === undefined ? undefined : { days, nowMs: Date.now() },
    );
    const report = toAllocationReport(federation, pool.name, wish, allocation, options.explain === true);
    writeResult(io.stdout, options.format, report, () => allocationText(report, allocation, painterFor(io.stdout)));
    return allocateExitCode(allocation, asked);
  });
}

function getPool(federation: Federation, name: string): ResourcePool {
  const pool = federation.resourcePools.find((candidate) => candidate.name === name);
  if (pool !== undefined) return pool;
  const known = federation.resourcePools.map((candidate) => candidate.name).join(", ");
  throw new UsageError(`there is no pool ${name} in the federation file. ${known === "" ? "It declares none." : `It declares ${known}.`}`);
}
