/** Provider side of a FederatedDeployment: its members are decided by one joint plan, whichever of them is checked first. */
import type { ResourcePool } from "../config";
import { type Identity, identityTag } from "../migration";
import { type PlacementPlan, type PlacementRequest, type PlacementResult, PlanExplainer, type Promised, placeMany } from "../placement";
import type { DeclaredDeployment } from "./declaration-order";
import type { Session } from "./session";
import { decide } from "./vm/decide";
import { toRequest } from "./vm/request";
import { vmSchema } from "./vm/spec";
import { anyUnreachable, findWhereabouts, priorOf } from "./whereabouts";

export interface JointPlan {
  /** Members that have a place. */
  promised: Promised[];
  /** Why a member goes where the plan puts it; absent for one that stays or that the plan leaves to its own check. */
  resultOf(key: string): PlacementResult | undefined;
}

/**
 * Places all members at once.
 * @param before what counts as taken
 */
export async function planDeployment(
  session: Session,
  deployment: DeclaredDeployment,
  stack: string,
  pool: ResourcePool,
  before: Promised[],
): Promise<JointPlan> {
  const key = `${stack} ${deployment.name}`;
  let plan = session.deployments.get(key);
  if (!plan) {
    plan = makePlan(session, deployment, stack, pool, before);
    session.deployments.set(key, plan);
  }
  return plan;
}

async function makePlan(
  session: Session,
  deployment: DeclaredDeployment,
  stack: string,
  pool: ResourcePool,
  before: Promised[],
): Promise<JointPlan> {
  const { resuming, free } = await readMembers(session, deployment, stack, pool);
  // What an interrupted move has begun is finished where it was going; the others are planned around it.
  const taken = [...before, ...resuming];
  const inventory = await session.inventory();
  const plan = placeMany(free, inventory, { promised: taken });
  const explainer = new PlanExplainer(plan, free, inventory, taken);
  return {
    promised: [...resuming, ...promisesOf(plan, free)],
    resultOf: (key) => (explainer.decisionOf(key)?.outcome === "kept" ? undefined : explainer.explain(key)),
  };
}

async function readMembers(session: Session, deployment: DeclaredDeployment, stack: string, pool: ResourcePool) {
  const { name: federation } = await session.federation();
  const blind = await anyUnreachable(session, pool);
  const resuming: Promised[] = [];
  const free: PlacementRequest[] = [];
  for (const { args, names } of deployment.shapes) {
    for (const name of names) {
      const parsed = vmSchema.safeParse({ name, ...args });
      // Its own check says what is wrong with it.
      if (!parsed.success) continue;
      const identity: Identity = { federation, stack, kind: "vm", name };
      const here = await findWhereabouts(session, identity);
      // An existing VM is taken over where it is; until then it counts as what it is, somebody's.
      if (!here.home && parsed.data.adopt) continue;
      // It may live on a cluster that does not answer: only its own check, which knows the state, can tell.
      if (!here.home && blind) continue;
      const request = toRequest(parsed.data, pool, identityTag(identity), priorOf(here));
      if (!here.unfinished) free.push(request);
      else {
        const result = await decide(session, request, resuming, here.unfinished);
        if (result.ok) resuming.push({ request, placement: result.placement });
      }
    }
  }
  return { resuming, free };
}

function promisesOf(plan: PlacementPlan, requests: PlacementRequest[]): Promised[] {
  return requests.flatMap((request, index) => {
    const placement = plan.decisions[index]?.placement;
    return placement ? [{ request, placement }] : [];
  });
}
