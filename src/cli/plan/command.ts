/** `federate plan`: where everything should be by the rules, without Pulumi. Changes nothing. */
import { writeFile } from "node:fs/promises";
import type { Federation } from "../../config";
import {
  type Inventory,
  type PlacementPlan,
  type PlacementRequest,
  placeMany,
  type RepairPlan,
  repairPlacement,
  scheduleMoves,
  solveExactly,
} from "../../placement";
import { topologyPage, toTopology } from "../../report";
import { loadHighs } from "../../solver";
import { exitCodesOf } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, painterFor } from "../io";
import { readLiveFederation } from "../live/federation";
import { writeResult } from "../output";
import { withClients } from "../with-clients";
import { readLayout } from "./layout-file";
import { planText, toGuestChanges, toPlanReport } from "./report";

export interface PlanOptions {
  /** File of VMs to come. */
  layout?: string;
  /** Moment to decide for, in ms since the epoch; absent: now. */
  at?: number;
  /** The proven cheapest plan, by the package highs. */
  exact?: boolean;
  /** Guests that are well where they are may step aside for others. */
  makeRoom?: boolean;
  /** Page with the plan as a picture. */
  html?: string;
  format: Format;
}

export async function plan(file: string, options: PlanOptions, io: CliIo): Promise<ExitCode> {
  const { federation } = await loadWithWarnings(file, io);
  const wanted = options.layout === undefined ? [] : await readLayout(options.layout, federation);
  return withClients(file, io, async (clients) => {
    const { asked, inventory, requests: present, unknown, notes } = await readLiveFederation(federation, clients, options.at ?? Date.now());
    // Nobody is made to step aside whose own rules are not known.
    const movable = options.makeRoom === true ? present.filter(({ key }) => !unknown.has(key)) : present;
    const requests = [...movable, ...wanted];
    const planned = await decide(requests, inventory, options);
    const schedule = planned.counts.moved === 0 ? undefined : scheduleMoves(planned.decisions, requests, inventory);
    const report = toPlanReport(planned, requests, inventory, schedule, notes);
    writeResult(io.stdout, options.format, report, () => planText(report, painterFor(io.stdout)));
    if (options.html !== undefined) await writePicture(options.html, federation, planned, requests, inventory);
    const found = planned.counts.rejected > 0 || schedule?.ok === false ? EXIT.finding : EXIT.ok;
    return worstOf([found, ...exitCodesOf(asked)]);
  });
}

async function decide(
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  { exact, makeRoom = false }: PlanOptions,
): Promise<PlacementPlan | RepairPlan> {
  if (exact === true) return solveExactly(requests, inventory, await loadHighs(), { makeRoom });
  return makeRoom ? repairPlacement(requests, inventory, { makeRoom }) : placeMany(requests, inventory);
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
