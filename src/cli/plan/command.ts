/** `federate plan`: where everything should be by the rules, without Pulumi. Changes nothing. */
import { writeFile } from "node:fs/promises";
import type { Federation } from "../../config";
import { createClusterClients } from "../../inventory";
import { type Inventory, type PlacementPlan, type PlacementRequest, placeMany, scheduleMoves } from "../../placement";
import { topologyPage, toTopology } from "../../report";
import { exitCodesOf } from "../ask-clusters";
import { credentialEnvironment, loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, painterFor } from "../io";
import { readLiveFederation } from "../live/federation";
import { writeResult } from "../output";
import { readLayout } from "./layout-file";
import { planText, toGuestChanges, toPlanReport } from "./report";

export interface PlanOptions {
  /** File of VMs to come. */
  layout?: string;
  /** Moment to decide for, in ms since the epoch; absent: now. */
  at?: number;
  /** Page with the plan as a picture. */
  html?: string;
  format: Format;
}

export async function plan(file: string, options: PlanOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const wanted = options.layout === undefined ? [] : await readLayout(options.layout, federation);
  const clients = createClusterClients(credentialEnvironment(file, io));
  try {
    const { asked, inventory, requests: present, notes } = await readLiveFederation(federation, clients, options.at ?? Date.now());
    const requests = [...present, ...wanted];
    const planned = placeMany(requests, inventory);
    const schedule = planned.counts.moved === 0 ? undefined : scheduleMoves(planned.decisions, requests, inventory);
    const report = toPlanReport(planned, requests, inventory, schedule, notes);
    writeResult(io.stdout, options.format, report, () => planText(report, painterFor(io.stdout)));
    if (options.html !== undefined) await writePicture(options.html, federation, planned, requests, inventory);
    const found = planned.counts.rejected > 0 || schedule?.ok === false ? EXIT.finding : EXIT.ok;
    return worstOf([found, ...exitCodesOf(asked)]);
  } finally {
    await clients.close();
  }
}

/** The plan as a page to look at. */
export async function writePicture(
  file: string,
  federation: Federation,
  planned: PlacementPlan,
  requests: readonly PlacementRequest[],
  inventory: Inventory,
): Promise<void> {
  const ids = new Map<string, string>();
  for (const { id, nodes } of inventory.clusters)
    for (const { guests } of nodes) for (const { key, vmid } of guests) if (key !== undefined) ids.set(key, `${id}/${vmid}`);
  const changes = toGuestChanges(planned, requests, (key) => ids.get(key));
  await writeFile(file, topologyPage(toTopology(federation.name, inventory, changes), `as of ${new Date().toISOString()}`));
}
