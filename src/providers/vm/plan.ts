/** `check`: validates, places, and says what a move will do. Everything it returns shows in the preview. */
import type { ResourcePool } from "../../config";
import { identityTag, isRemote } from "../../migration";
import { explainLine, type Placement, type PlacementResult } from "../../placement";
import { rememberMembership } from "../failover/membership";
import { planOldCopies } from "../failover/old-copies";
import { findLostHome, planFailover } from "../failover/plan";
import { describeRename, engineInputs, hasUnknown, type Inputs, identityOf, UNKNOWN, userInputs } from "../inputs";
import { planMove } from "../move-plan";
import { alreadyPlanned, promise } from "../peers";
import { resolvePool } from "../pool/resolve";
import { findReturn } from "../return";
import { findShortage } from "../room";
import { type CheckFailure, toFailures } from "../schema";
import type { Session } from "../session";
import { describeExpired, findWhereabouts, type Whereabouts } from "../whereabouts";
import { describeAdoption, findAdoptee, observeAdoptee, refuseAdoption } from "./adopt";
import { decide } from "./decide";
import { findLostDisks } from "./lost-disks";
import { renderShape } from "./render";
import { toRequest } from "./request";
import { restoreStorage } from "./restore-storage";
import { compareShapes, type GuestShape } from "./shape";
import { showList } from "./shown";
import { type VmSpec, vmSchema } from "./spec";
import { COMPUTED_KEYS, type VmInputs } from "./state";

export type CheckResult = { inputs: Inputs; failures: CheckFailure[] };

export async function checkVm(session: Session, olds: Inputs, news: Inputs): Promise<CheckResult> {
  const own = userInputs(news, COMPUTED_KEYS);
  const renamed = describeRename(olds, news);
  if (renamed !== undefined) return { inputs: news, failures: [{ property: "identity", reason: renamed }] };
  // A value that another resource will only produce in the update: nothing can be decided yet.
  if (hasUnknown(own) || hasUnknown(news.__poolDefinition))
    return { inputs: { ...own, ...engineInputs(news), placement: UNKNOWN }, failures: [] };
  const parsed = vmSchema.safeParse({ name: (news.__identity as { name: string }).name, ...own });
  if (!parsed.success) return { inputs: news, failures: toFailures(parsed.error) };
  const planned = await planVm(session, parsed.data, news, olds);
  if ("failures" in planned) return { inputs: news, failures: planned.failures };
  return { inputs: { ...own, ...engineInputs(news), ...planned.inputs }, failures: [] };
}

type Planned = { inputs: VmInputs } | { failures: CheckFailure[] };

async function planVm(session: Session, spec: VmSpec, news: Inputs, olds: Inputs): Promise<Planned> {
  const federation = await session.federation();
  const identity = identityOf(news, federation.name, "vm");
  const key = identityTag(identity);
  const pool = await resolvePool(session, spec.pool, news);
  const here = await findWhereabouts(session, identity);
  const before = olds.placement === undefined || olds.placement === UNKNOWN ? undefined : (olds as unknown as VmInputs);
  const adoptee = here.home || !spec.adopt ? undefined : await findAdoptee(session, spec.adopt, identity, pool.name);
  const prior = adoptee?.prior ?? priorOf(here, before);
  const planned = await alreadyPlanned(session, news, pool, key);
  const request = toRequest(spec, pool, key, prior);
  const decided = planned.decided ?? (await decide(session, request, planned.promised, here.unfinished, adoptee));
  if (!decided.ok) return refuse(decided.message);
  const { placement } = decided;
  promise(session, news, { request, placement });

  const cluster = await session.cluster(placement.cluster);
  const desired = renderShape(spec, placement, cluster, key);
  const why = decided.explanation.outcome === "kept" && before ? before.placement.why : explainLine(decided);
  const inputs: VmInputs = { placement: { ...placement, why }, __desired: desired, __pool: pool.name };
  if (here.home) inputs.__live = { cluster: here.home.cluster, node: here.home.row.node, vmid: here.home.row.vmid };
  if (adoptee) {
    const refusal = refuseAdoption(adoptee, placement, desired);
    if (refusal !== undefined) return refuse(refusal, "adopt");
    inputs.adoption = describeAdoption(adoptee, desired);
  }
  const lost = lostDisks(before, inputs);
  if (lost.length > 0) return { failures: lost };
  const shortages = await growthShortages(session, before, inputs);
  if (shortages.length > 0) return { failures: shortages };
  const stays = before?.placement.cluster === placement.cluster ? before.__desired : undefined;
  const restart = restartNeeded(adoptee ? observeAdoptee(adoptee, desired) : stays, desired);
  if (restart !== undefined) inputs.restart = restart;
  const lostHome = await findLostHome(session, identity, here, before);
  if (lostHome) {
    const intent = {
      what: `VM ${spec.name}`,
      identity,
      lost: lostHome,
      here,
      placement,
      pool: pool.name,
      slots: Object.keys(desired.disks),
    };
    const failover = await planFailover(session, intent);
    if ("failure" in failover) return refuse(failover.failure);
    return { inputs: { ...inputs, failover: failover.summary, __failover: failover.plan } };
  }
  if (here.halfArrived !== undefined) return refuse(here.halfArrived);
  const membership = here.home && (await rememberMembership(session, here.home, before?.__membership));
  if (membership) inputs.__membership = membership;
  const old = await planOldCopies(session, `VM ${spec.name}`, here, placement);
  if (old.refusal !== undefined) return refuse(`${old.refusal}.`);
  if (old.cleanup !== undefined) inputs.cleanup = old.cleanup;
  if (here.home && here.home.cluster !== placement.cluster) {
    Object.assign(inputs, await findReturn(session, here.home, inputs, before));
    return planVmMove(session, spec, pool, inputs, here, decided);
  }
  // At home nothing of a remote migration or live restore has arrived: whether it is still under way, the update finds out.
  const stayed =
    here.unfinished &&
    (isRemote({ method: here.unfinished.method ?? "backup-restore" }) || here.unfinished.live) &&
    here.unfinished.target.cluster !== here.home?.cluster;
  if (here.unfinished && (here.unfinished.step !== "finishing" || stayed))
    inputs.recovery = `the interrupted move to ${here.unfinished.target.cluster} is rolled back and the VM runs again`;
  const cleanup = describeExpired(here, session.pace.nowMs());
  if (cleanup !== undefined) inputs.cleanup = [inputs.cleanup, cleanup].filter((text) => text !== undefined).join("; ");
  return { inputs };
}

function refuse(reason: string, property = ""): Planned {
  return { failures: [{ property, reason }] };
}

/** The live place, unless a cluster that does not answer leaves only the remembered one. */
function priorOf(here: Whereabouts, before: VmInputs | undefined): Placement | undefined {
  if (!here.home)
    return before?.placement && { cluster: before.placement.cluster, node: before.placement.node, storages: before.placement.storages };
  const remembered = before?.placement.cluster === here.home.cluster ? before.placement.storages : undefined;
  return { cluster: here.home.cluster, node: here.home.row.node, storages: remembered ?? [] };
}

/** Disks only grow, and none goes by being left out: both would lose data, half-way through an update or a move. */
function lostDisks(before: VmInputs | undefined, inputs: VmInputs): CheckFailure[] {
  return Object.entries(before?.__desired.disks ?? {}).flatMap(([slot, had]) => {
    const index = slot.slice("scsi".length);
    const has = inputs.__desired.disks[slot];
    if (!has)
      return [
        {
          property: `disks[${index}]`,
          reason: `disk ${slot} is no longer declared and its data would be lost: declare it again, or detach and delete it by hand and run "pulumi refresh"`,
        },
      ];
    if (has.sizeBytes >= had.sizeBytes) return [];
    return [
      {
        property: `disks[${index}].size`,
        reason: `${has.sizeBytes} bytes are less than the disk's ${had.sizeBytes}: disks only grow. Declare at least its size`,
      },
    ];
  });
}

/** What disks grow by in place and their storages do not have; new disks are placement's business. */
async function growthShortages(
  session: Session,
  before: VmInputs | undefined,
  { placement, __live: live, __desired }: VmInputs,
): Promise<CheckFailure[]> {
  // Elsewhere there is to be room for whole disks, which is asked for in another way.
  if (!before || !live || live.cluster !== placement.cluster || live.node !== placement.node) return [];
  const added = new Map<string, number>();
  for (const [slot, { storage, sizeBytes }] of Object.entries(__desired.disks)) {
    const had = before.__desired.disks[slot];
    if (had?.storage === storage) added.set(storage, (added.get(storage) ?? 0) + sizeBytes - had.sizeBytes);
  }
  const found = await Promise.all(
    [...added].map(([storage, bytes]) => findShortage(session, { cluster: live.cluster, node: live.node, storage }, bytes)),
  );
  return found.flatMap((shortage) =>
    shortage === undefined ? [] : [{ property: "disks", reason: `the disks cannot grow: ${shortage}. Free space there, or declare less` }],
  );
}

/** @param was as it is now: what the program declared before, or what a refresh has seen since */
function restartNeeded(was: GuestShape | undefined, declared: GuestShape): string | undefined {
  if (!was?.running || !declared.running) return undefined;
  const keys = compareShapes(declared, was)
    .filter((change) => change.needsRestart)
    .map((change) => change.path);
  return keys.length === 0 ? undefined : showList("the VM restarts: ", keys, " cannot change while it runs");
}

async function planVmMove(
  session: Session,
  spec: VmSpec,
  pool: ResourcePool,
  inputs: VmInputs,
  here: Whereabouts,
  result: PlacementResult,
): Promise<Planned> {
  const home = here.home!;
  const { placement, __desired: desired } = inputs;
  const planned = await planMove(session, {
    what: `VM ${spec.name}`,
    here: { ...here, home },
    guest: `vm ${home.row.vmid}`,
    placement,
    pool,
    disks: Object.values(desired.disks),
    restoreStorage: restoreStorage(desired),
    bridges: [...new Set(Object.values(desired.networks).map((network) => network.bridge))],
    declared: desired.scalars,
    findLostDisks: (config) => findLostDisks(config, desired),
    reason: result.explanation.moveReason,
    follows: false,
    running: desired.running,
  });
  if ("failure" in planned) return refuse(planned.failure);
  return { inputs: { ...inputs, __route: planned.route, migration: planned.migration } };
}
