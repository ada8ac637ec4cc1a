/** `federate rebalance`: moves that would make the layout better, within a budget, as a plan to review. Changes nothing. */
import { roundedSize } from "../../config";
import { type ImproveBudget, type Improvement, improvePlacement, type PlacementPlan } from "../../placement";
import { exitCodesOf } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import type { Format } from "../formats";
import { type CliIo, type Paint, painterFor } from "../io";
import { readLiveFederation } from "../live/federation";
import { writeResult } from "../output";
import { writePicture } from "../plan/command";
import { scheduleLine } from "../plan/report";
import { sizeOf } from "../size-option";
import { withClients } from "../with-clients";
import { counted, roundedSpan, table } from "../words";

export interface RebalanceOptions {
  maxMoves: number;
  /** Size: what may travel between clusters; `0B`: only moves inside clusters. */
  maxBytes: string;
  /** Seconds that each link may be busy. */
  maxLinkSeconds?: number;
  /** Points a move has to gain. */
  leastGain?: number;
  html?: string;
  format: Format;
}

export async function rebalance(file: string, options: RebalanceOptions, io: CliIo): Promise<ExitCode> {
  const linkBytes = sizeOf("--max-bytes", options.maxBytes);
  const { federation } = await loadWithWarnings(file, io);
  return withClients(file, io, async (clients) => {
    const { asked, inventory, requests: present, unknown, notes } = await readLiveFederation(federation, clients, Date.now());
    // What is not asked for counts as taken where it is.
    const requests = present.filter(({ key }) => !unknown.has(key));
    const budget: ImproveBudget = {
      moves: options.maxMoves,
      linkBytes,
      ...(options.maxLinkSeconds === undefined ? {} : { secondsPerLink: options.maxLinkSeconds }),
    };
    const found = improvePlacement(requests, inventory, budget, options.leastGain === undefined ? {} : { leastGain: options.leastGain });
    const { inventory: _after, decisions, ...report } = found;
    writeResult(io.stdout, options.format, { ...report, notes }, () => rebalanceText(found, notes, painterFor(io.stdout)));
    if (options.html !== undefined) await writePicture(options.html, federation, asPlan(found), requests, inventory);
    return worstOf([EXIT.ok, ...exitCodesOf(asked)]);
  });
}

function asPlan({ decisions, linkBytes }: Improvement): PlacementPlan {
  const counts = { kept: 0, placed: 0, moved: 0, rejected: 0 };
  for (const { outcome } of decisions) counts[outcome] += 1;
  return { decisions, counts, movedBytes: linkBytes };
}

function rebalanceText(found: Improvement, notes: readonly string[], paint: Paint): string {
  const { moves, imbalance, linkBytes, localBytes, schedule, scoreBefore, scoreAfter, stopped } = found;
  const lines = notes.map((note) => `${paint("yellow", "note:")} ${note}`);
  if (moves.length === 0)
    return [...lines, stopped === "budget" ? "nothing pays within the budget" : "nothing to gain: the layout stays as it is"].join("\n");
  lines.push(
    `${counted(moves.length, "move")}, ${roundedSize(linkBytes)} between clusters and ${roundedSize(localBytes)} inside them: score ${scoreBefore} → ${scoreAfter}${stopped === "budget" ? "; more would pay beyond the budget" : ""}`,
    "",
    ...table(
      moves.map(({ name, from, to, gain, linkBytes: carried, linkSeconds }) => [
        name,
        `${from.cluster}/${from.node}`,
        "→",
        `${to.cluster}/${to.node}`,
        `+${gain}`,
        carried === 0 ? "live" : roundedSize(carried),
        linkSeconds === undefined || linkSeconds === 0 ? "" : roundedSpan(linkSeconds),
      ]),
    ),
    "",
    ...imbalance
      .filter(({ before, after }) => before !== after)
      .map(({ cluster, before, after }) => `${cluster}: spread of fullness ${before} → ${after} ‰`),
    scheduleLine(schedule),
  );
  return lines.join("\n");
}
