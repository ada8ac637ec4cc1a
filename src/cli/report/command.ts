/** `federate report`: the federation and what a preview plans for it, to look at. */
import { readFile, writeFile } from "node:fs/promises";
import type { Federation } from "../../config";
import { toInventory } from "../../inventory";
import { isIdentityTag } from "../../migration";
import {
  type PlannedChanges,
  PreviewError,
  previewMarkdown,
  readPreview,
  type Topology,
  topologyMermaid,
  topologyPage,
  topologySvg,
  toTopology,
  withPlanned,
} from "../../report";
import { type Asked, askClusters, exitCodesOf } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import { UsageError } from "../failure";
import type { CliIo } from "../io";
import { type ClusterRows, readVisibleRows, toSnapshot } from "../snapshot";
import { withClients } from "../with-clients";
import type { ReportOptions } from "./options";

export async function report(file: string, options: ReportOptions, io: CliIo): Promise<ExitCode> {
  const planned = options.preview === undefined ? undefined : await readPlanned(options.preview);
  if (options.as === "markdown") {
    if (!planned) throw new UsageError("--as markdown tells what a preview plans: pass one with --preview FILE.");
    await put(previewMarkdown(planned), options, io);
    return EXIT.ok;
  }
  const { federation } = await loadWithWarnings(file, io);
  const asked = await look(federation, file, io);
  const topology = toTopology(
    federation.name,
    toInventory(toSnapshot(federation, asked), (_cluster, guest) => guest.tags.find(isIdentityTag)),
  );
  await put(draw(planned ? withPlanned(topology, planned) : topology, options), options, io);
  return worstOf([EXIT.ok, ...exitCodesOf(asked)]);
}

async function look(federation: Federation, file: string, io: CliIo): Promise<Asked<ClusterRows>[]> {
  return withClients(file, io, async (clients) => {
    return await askClusters(federation.clusters, clients, (api, _cluster, callOptions) => readVisibleRows(api, callOptions));
  });
}

async function readPlanned(file: string): Promise<PlannedChanges> {
  const text = await readFile(file, "utf8");
  try {
    return readPreview(text);
  } catch (error) {
    if (error instanceof PreviewError) throw new UsageError(`--preview ${file}: ${error.message}`);
    throw error;
  }
}

function draw(topology: Topology, { as, preview }: ReportOptions): string {
  switch (as) {
    case "svg":
      return topologySvg(topology);
    case "mermaid":
      return topologyMermaid(topology);
    default:
      return topologyPage(topology, `as of ${new Date().toISOString()}${preview === undefined ? "" : `, with the plan of ${preview}`}`);
  }
}

async function put(text: string, { output }: ReportOptions, io: CliIo): Promise<void> {
  if (output === undefined) io.stdout.write(text);
  else await writeFile(output, text);
}
