/** Where one VM goes. */
import type { MoveJournal } from "../../migration";
import { type Inventory, type PlacementRequest, type PlacementResult, type Promised, placeOne } from "../../placement";
import type { Session } from "../session";
import { type Adoptee, withKey } from "./adopt";

/** Staying wins; then finishing what an interrupted move has begun; then the best place. */
export async function decide(
  session: Session,
  request: PlacementRequest,
  promised: Promised[],
  unfinished: MoveJournal | undefined,
  adoptee?: Adoptee,
): Promise<PlacementResult> {
  const live = await session.inventory();
  const inventory = adoptee ? withKey(live, adoptee, request.key) : live;
  if (unfinished && hasAllButArrived(request, unfinished)) return arrive(request, inventory, promised, unfinished);
  const result = placeOne(request, inventory, promised);
  if (!unfinished || !result.ok || result.placement.cluster === request.prior?.cluster) return result;
  const target = { cluster: unfinished.target.cluster, node: unfinished.target.node };
  const resumed = placeOne({ ...request, pin: target }, inventory, promised);
  return resumed.ok ? resumed : result;
}

/** It serves at the target already, and only the move's last steps are missing. */
function hasAllButArrived({ prior }: PlacementRequest, { step, target }: MoveJournal): boolean {
  return step === "finishing" && prior?.cluster === target.cluster;
}

/** A drain of the target waits for it: once it has arrived the next update moves it on. */
function arrive(request: PlacementRequest, inventory: Inventory, promised: Promised[], { target }: MoveJournal): PlacementResult {
  const result = placeOne(request, withoutDrain(inventory, target.cluster), promised);
  if (result.ok && result.placement.cluster === target.cluster) return result;
  const message = `${request.name} has all but arrived on ${target.cluster} (vm ${target.vmid}), where it may not stay. Let it finish there first: allow that cluster again, run "pulumi up", then change the plan`;
  return { ok: false, explanation: result.explanation, message };
}

function withoutDrain(inventory: Inventory, cluster: string): Inventory {
  const clusters = inventory.clusters.map((facts) => {
    if (facts.id !== cluster) return facts;
    const nodes = facts.nodes.map((node) => (node.status === "draining" ? { ...node, status: "cordoned" as const } : node));
    return { ...facts, status: facts.status === "draining" ? ("cordoned" as const) : facts.status, nodes };
  });
  return { ...inventory, clusters };
}
