/** What a test would do, told without asking any cluster. Pure. */
import type { Federation } from "../../config";
import { planRoute } from "../../migration";
import { type Settings, testFederation } from "./settings";

export interface PlannedStep {
  cluster: string;
  step: string;
  /** Under which condition, where there is one. */
  condition?: string;
}

export function plannedSteps(given: Federation, settings: Settings, keep: boolean): PlannedStep[] {
  const federation = testFederation(given, settings);
  const { clusters } = settings;
  const prepared = clusters.flatMap((cluster) => ["connect", "privileges", "clear", "pool"].map((step) => ({ cluster, step })));
  const lived = clusters.flatMap((cluster, index) => [
    ...["create", "read back", "update in place", "grow the disk"].map((step) => ({ cluster, step })),
    { cluster, step: "start", condition: "where the node has KVM" },
    { cluster, step: "move to another node", condition: "where another node has the storage" },
    { cluster, step: "stop", condition: "after a start" },
    ...moveOf(federation, cluster, clusters.length > 1 ? clusters[(index + 1) % clusters.length] : undefined),
    { cluster, step: "refresh" },
    ...(keep ? [] : [{ cluster, step: "destroy" }]),
  ]);
  const cleaned = clusters.flatMap((cluster) => [
    { cluster, step: "clean up" },
    { cluster, step: "remove the pool", condition: "where the test has made it" },
    { cluster, step: "nothing left" },
  ]);
  return [...prepared, ...lived, ...(keep ? [] : cleaned)];
}

function moveOf(federation: Federation, cluster: string, next: string | undefined): PlannedStep[] {
  if (next === undefined) return [];
  const routed = planRoute(federation, cluster, next);
  return [{ cluster, step: `move to ${next}`, ...(routed.ok ? {} : { condition: `not possible: ${routed.reason}` }) }];
}
