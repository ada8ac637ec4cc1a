/** Moving a guest here from another cluster: what VMs and disks have in common. */
import {
  describeIdentity,
  type GuestRef,
  type Identity,
  isRemote,
  type MarkedGuest,
  type MoveRecord,
  type MoveRequest,
  moveGuest,
  planRoute,
  type Route,
} from "../migration";
import { appendAudit } from "./audit";
import { getRemoteEndpoint } from "./remote-endpoint";
import { type Session, UserError } from "./session";

/** What of a move is the resource's own. */
type OwnParts = Pick<
  MoveRequest,
  "text" | "tags" | "demands" | "name" | "shutdown" | "running" | "onBoot" | "liveShape" | "adapt" | "waitUntilAlive"
>;

export interface MoveHere extends OwnParts {
  identity: Identity;
  source: MarkedGuest;
  placement: { cluster: string; node: string };
  /** Where restore puts every disk. */
  storage: string;
  /** Proxmox pool. */
  pool: string;
  /** As planned; absent in plans of resumed moves: decided anew. */
  route: Route | undefined;
  /** Card → bridge at the target; only a remote migration asks. */
  bridges?: Record<string, string>;
  /** It follows a guest that has moved already: no window holds it back. */
  follows?: boolean;
}

export async function moveHere(session: Session, here: MoveHere): Promise<{ target: GuestRef; generation: number; record: MoveRecord }> {
  const { identity, source, placement, storage, pool, route: planned, follows, bridges = {}, ...own } = here;
  const route = await routeOf(session, here, planned);
  const generation = (source.mark?.generation ?? 0) + 1;
  const { vmidRange } = await session.cluster(placement.cluster);
  const share = (await session.links()).announce(route.links ?? []);
  const request: MoveRequest = {
    ...own,
    identity,
    generation,
    route: follows || session.overrideWindow ? { ...route, window: undefined } : route,
    source: source.ref,
    target: { api: await session.client(placement.cluster), node: placement.node, pool, storage, vmidRange },
    ...(isRemote(route) ? { remote: { endpoint: () => getRemoteEndpoint(session, placement.cluster, placement.node), bridges } } : {}),
    inTurn: (work) => session.alone(`backup ${source.ref.api.clusterId}/${source.ref.node}`, work),
    onLink: share.use,
    apiOf: (id) => session.client(id),
    backupServerOf: session.backupServer,
    onEnd: (record) => appendAudit(session, identity, record),
  };
  try {
    const { target, record } = await moveGuest(request, session.pace);
    return { target, generation, record };
  } finally {
    share.withdraw();
  }
}

async function routeOf(session: Session, { identity, source, placement }: MoveHere, planned: Route | undefined): Promise<Route> {
  if (planned) return planned;
  const routed = planRoute(await session.federation(), source.ref.api.clusterId, placement.cluster);
  if (!routed.ok) throw new UserError(`${describeIdentity(identity)} cannot be moved: ${routed.reason}.`);
  return routed.route;
}
