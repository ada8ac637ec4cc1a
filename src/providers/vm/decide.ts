/** Where one VM goes. */
import type { MoveJournal } from "../../migration";
import { type PlacementRequest, type PlacementResult, type Promised, placeOne } from "../../placement";
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
  const result = placeOne(request, inventory, promised);
  if (!unfinished || !result.ok || result.placement.cluster === request.prior?.cluster) return result;
  const target = { cluster: unfinished.target.cluster, node: unfinished.target.node };
  const resumed = placeOne({ ...request, pin: target }, inventory, promised);
  return resumed.ok ? resumed : result;
}
