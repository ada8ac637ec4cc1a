/** A joint plan for tools and for people. Pure. */
import { roundedSize } from "../../config";
import {
  type Decision,
  explainLine,
  type Inventory,
  type MoveSchedule,
  type PlacementPlan,
  type PlacementRequest,
  PlanExplainer,
  type RepairPlan,
} from "../../placement";
import type { GuestChange } from "../../report";
import type { Paint } from "../io";
import { counted, roundedSpan, table } from "../words";

export interface PlanReport {
  counts: PlacementPlan["counts"];
  /** Bytes that moves between clusters carry. */
  movedBytes: number;
  /** Whether no cheaper plan exists; absent where none was searched for (without --exact and --make-room). */
  isProven?: boolean;
  changes: PlannedChange[];
  /** Absent when nothing moves. */
  schedule?: MoveSchedule;
  notes: string[];
}

export interface PlannedChange {
  name: string;
  key: string;
  outcome: Exclude<Decision["outcome"], "kept">;
  /** `cluster/node` */
  from?: string;
  to?: string;
  /** Between clusters. */
  bytes?: number;
  why: string;
}

export function toPlanReport(
  plan: PlacementPlan | RepairPlan,
  requests: readonly PlacementRequest[],
  inventory: Inventory,
  schedule: MoveSchedule | undefined,
  notes: string[],
): PlanReport {
  const explainer = new PlanExplainer(plan, requests, inventory);
  const changes = plan.decisions.flatMap((decision, index): PlannedChange[] => {
    const { key, name, outcome, placement, moveBytes } = decision;
    if (outcome === "kept") return [];
    const prior = requests[index]?.prior;
    return [
      {
        name,
        key,
        outcome,
        ...(prior ? { from: `${prior.cluster}/${prior.node}` } : {}),
        ...(placement && outcome !== "rejected" ? { to: `${placement.cluster}/${placement.node}` } : {}),
        ...(moveBytes === undefined || moveBytes === 0 ? {} : { bytes: moveBytes }),
        why: whyOf(decision, plan, explainer),
      },
    ];
  });
  const { counts, movedBytes } = plan;
  const proven = "isProven" in plan ? { isProven: plan.isProven } : {};
  return { counts, movedBytes, ...proven, changes, ...(schedule ? { schedule } : {}), notes };
}

function whyOf({ key, message, moveReason }: Decision, plan: PlacementPlan | RepairPlan, explainer: PlanExplainer): string {
  if (message !== undefined) return message;
  // A place in a plan that was searched for as a whole is not the best one for that guest alone.
  if ("displaced" in plan) return plan.displaced.includes(key) ? "makes room for others" : (moveReason ?? "");
  const result = explainer.explain(key);
  return result ? explainLine(result) : "";
}

export function planText({ counts, movedBytes, isProven, changes, schedule, notes }: PlanReport, paint: Paint): string {
  const lines = notes.map((note) => `${paint("yellow", "note:")} ${note}`);
  const moved = counts.moved === 0 ? [] : [`${counts.moved} to move (${roundedSize(movedBytes)} between clusters)`];
  const placed = counts.placed === 0 ? [] : [`${counts.placed} to place`];
  const rejected = counts.rejected === 0 ? [] : [paint("red", `${counts.rejected} without a place`)];
  const proof = isProven === undefined ? [] : [isProven ? "no cheaper plan exists" : "a cheaper plan may exist"];
  lines.push(
    [`${counted(counts.kept, "guest")} ${counts.kept === 1 ? "stays" : "stay"}`, ...moved, ...placed, ...rejected, ...proof].join(", "),
  );
  const going = changes.filter(({ outcome }) => outcome !== "rejected");
  if (going.length > 0)
    lines.push(
      "",
      ...table(going.map(({ name, from, to, bytes, why }) => [name, from ?? "new", "→", to ?? "", bytes ? roundedSize(bytes) : "", why])),
    );
  const homeless = changes.filter(({ outcome }) => outcome === "rejected");
  if (homeless.length > 0) lines.push("", ...homeless.map(({ name, why }) => `${paint("red", `${name}:`)} ${why}`));
  if (schedule) lines.push("", scheduleLine(schedule));
  return lines.join("\n");
}

export function scheduleLine({ ok, makespanSeconds, lowerBoundSeconds, bottleneck, message }: MoveSchedule): string {
  if (!ok) return `no order of moves gets there: ${message ?? ""}`;
  const ratio = lowerBoundSeconds > 0 ? `, ${(makespanSeconds / lowerBoundSeconds).toFixed(2)} times the least possible` : "";
  return `all moves take about ${roundedSpan(makespanSeconds)}${ratio} (bottleneck: ${bottleneck})`;
}

/** For the pictures. */
export function toGuestChanges(
  plan: PlacementPlan,
  requests: readonly PlacementRequest[],
  guestId: (key: string) => string | undefined,
): GuestChange[] {
  return plan.decisions.flatMap(({ key, outcome, placement, moveReason }, index): GuestChange[] => {
    const request = requests[index];
    if (!request || !placement || outcome === "kept" || outcome === "rejected") return [];
    const { name, cores, memoryMiB, prior } = request;
    const guest = guestId(key);
    return [
      {
        name,
        cores,
        memoryMiB,
        ...(guest === undefined ? {} : { guest }),
        ...(prior ? { from: { cluster: prior.cluster, node: prior.node } } : {}),
        to: { cluster: placement.cluster, node: placement.node },
        ...(moveReason === undefined ? {} : { why: moveReason }),
      },
    ];
  });
}
