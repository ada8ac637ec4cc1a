import type { CandidateReport, PlacementResult } from "./model";

/** Rejected candidates listed one by one before the rest is counted. */
const LISTED_CANDIDATES = 20;

/**
 * One line for a preview:
 * `databarn-dr/db-1: worldstream-prod is draining; balanced 712, next db-2 690`.
 */
export function explainLine(result: PlacementResult): string {
  if (!result.ok) return result.message;
  const { placement, explanation } = result;
  const place = `${placement.cluster}/${placement.node}`;
  if (explanation.outcome === "kept") return `${place}: kept`;
  const reason = explanation.moveReason === undefined ? "" : `${explanation.moveReason}; `;
  return `${place}: ${reason}${scoreWords(result)}`;
}

/** Everything, for a terminal: the decision, then each candidate with its score by term or the reason why not. */
export function explainText(result: PlacementResult): string {
  const { explanation } = result;
  const lines = [`${explanation.request?.name ?? "request"} → ${explainLine(result)}`];
  const scored = explanation.candidates.filter(({ score }) => score !== undefined);
  const rejected = explanation.candidates.filter((candidate) => candidate.rejected !== undefined);
  for (const candidate of scored.slice(0, LISTED_CANDIDATES)) {
    lines.push(`  ${nameOf(candidate)}  score ${candidate.score}`);
    for (const { term, points, detail } of candidate.terms ?? []) lines.push(`    ${signed(points)}  ${term}: ${detail}`);
  }
  lines.push(...restLine(scored.length, "also fit"));
  for (const candidate of rejected.slice(0, LISTED_CANDIDATES)) {
    lines.push(`  ${nameOf(candidate)}  no (${candidate.rejected?.filter}): ${candidate.rejected?.reasons.join("; ")}`);
  }
  lines.push(...restLine(rejected.length, "do not fit either"));
  return lines.join("\n");
}

/** The decision for tools: plain JSON values in a fixed order of keys. */
export interface ExplanationJson {
  ok: boolean;
  outcome: string;
  request?: { key: string; name: string };
  strategy?: string;
  strategyWindow?: string;
  placement?: { cluster: string; node: string; storages: string[] };
  moveReason?: string;
  margin?: number;
  message?: string;
  candidates: CandidateReport[];
}

export function explainJson(result: PlacementResult): ExplanationJson {
  const { explanation } = result;
  const json: ExplanationJson = {
    ok: result.ok,
    outcome: explanation.outcome,
    request: explanation.request,
    strategy: explanation.strategy,
    strategyWindow: explanation.strategyWindow,
    placement: result.ok ? result.placement : undefined,
    moveReason: explanation.moveReason,
    margin: explanation.margin,
    message: result.ok ? undefined : result.message,
    candidates: explanation.candidates,
  };
  return withoutUndefined(json);
}

/** Inputs of a Pulumi resource may not hold `undefined`. */
function withoutUndefined<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(withoutUndefined) as Value;
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(entries.map(([key, entry]) => [key, withoutUndefined(entry)])) as Value;
}

function scoreWords(result: PlacementResult & { ok: true }): string {
  const { explanation, placement } = result;
  const scored = explanation.candidates.filter(({ score }) => score !== undefined);
  const during = explanation.strategyWindow === undefined ? "" : ` (${explanation.strategyWindow})`;
  const strategy = `${explanation.strategy ?? "score"}${during}`;
  const [best, second] = scored;
  if (best === undefined) return `${strategy}`;
  if (second === undefined) return `${strategy} ${best.score}, nothing else fits`;
  const next = second.cluster === placement.cluster ? second.node : nameOf(second);
  return `${strategy} ${best.score}, next ${next} ${second.score}`;
}

function nameOf({ cluster, node }: CandidateReport): string {
  return node === undefined ? cluster : `${cluster}/${node}`;
}

function signed(points: number): string {
  return points < 0 ? `${points}` : `+${points}`;
}

function restLine(total: number, words: string): string[] {
  return total > LISTED_CANDIDATES ? [`  ${total - LISTED_CANDIDATES} more ${words}`] : [];
}
