/** A decision for tools and for people. Pure. */
import type { Cluster, Federation } from "../../config";
import { type ExplanationJson, explainJson, explainText } from "../../placement";
import type { Paint } from "../io";
import type { Allocation, Wish } from "./decide";

export interface AllocationReport {
  pool: string;
  request: Wish;
  ok: boolean;
  basis: Allocation["basis"];
  placement?: {
    cluster: string;
    name: string;
    provider?: string;
    location?: string;
    node: string;
    /** Storage of the disk; absent without one. */
    storage?: string;
    score?: number;
  };
  /** Why there is no place, and what would help. */
  message?: string;
  notes: string[];
  /** With --explain: every candidate. */
  explanation?: ExplanationJson;
}

export function toAllocationReport(
  federation: Federation,
  pool: string,
  wish: Wish,
  allocation: Allocation,
  explain: boolean,
): AllocationReport {
  const { basis, notes, result } = allocation;
  const common = { pool, request: wish, ok: result.ok, basis };
  const explanation = explain ? { explanation: explainJson(result) } : {};
  if (!result.ok) return { ...common, message: result.message, notes, ...explanation };
  const { cluster: id, node, storages } = result.placement;
  const cluster = federation.clusters.find((candidate) => candidate.id === id);
  const chosen = result.explanation.candidates.find((candidate) => candidate.cluster === id && candidate.node === node);
  const placement = { cluster: id, ...about(id, cluster), node, storage: storages[0], score: chosen?.score };
  return { ...common, placement, notes, ...explanation };
}

function about(id: string, cluster: Cluster | undefined): { name: string; provider?: string; location?: string } {
  return { name: cluster?.name ?? id, provider: cluster?.provider, location: cluster?.location?.name };
}

export function allocationText(report: AllocationReport, allocation: Allocation, paint: Paint): string {
  const lines: string[] = [];
  if (report.basis === "declared") lines.push(paint("yellow", "decided on declared capacity: no cluster of the pool answers"));
  lines.push(...report.notes.map((note) => `${paint("yellow", "note:")} ${note}`));
  const { placement } = report;
  if (placement === undefined) lines.push(paint("red", report.message ?? "no place"));
  else {
    const { cluster, name, node, provider, location, storage, score } = placement;
    const words = [name, provider, location].filter((word) => word !== undefined).join(", ");
    lines.push(`${paint("green", `${cluster}/${node}`)}  ${words}`);
    const facts = [...(storage === undefined ? [] : [`storage ${storage}`]), ...(score === undefined ? [] : [`score ${score}`])];
    if (facts.length > 0) lines.push(`  ${facts.join(", ")}`);
  }
  if (report.explanation !== undefined) lines.push("", explainText(allocation.result));
  return lines.join("\n");
}
