/** `check`: validates, places, and says what a move will do. Everything it returns shows in the preview. */
import type { Cluster, Federation, ResourcePool } from "../../config";
import {
  dataDrivesOf,
  estimateMove,
  identityTag,
  isIdentityTag,
  planRoute,
  preflight,
  type Route,
  summarizeMove,
  windowRefusal,
} from "../../migration";
import { explainLine, type Placement, type PlacementResult } from "../../placement";
import { engineInputs, hasUnknown, type Inputs, identityOf, UNKNOWN, userInputs } from "../inputs";
import { alreadyPlanned, promise } from "../peers";
import { resolvePool } from "../pool/resolve";
import { type CheckFailure, toFailures } from "../schema";
import type { Session } from "../session";
import { findWhereabouts, type Whereabouts } from "../whereabouts";
import { decide } from "./decide";
import { renderShape } from "./render";
import { toRequest } from "./request";
import { compareShapes } from "./shape";
import { type VmSpec, vmSchema } from "./spec";
import { COMPUTED_KEYS, type VmInputs } from "./state";

/** An archive of nearly empty disks; a store without even that much room fails for sure. */
const LEAST_ARCHIVE_SHARE = 0.01;

export type CheckResult = { inputs: Inputs; failures: CheckFailure[] };

export async function checkVm(session: Session, olds: Inputs, news: Inputs): Promise<CheckResult> {
  const own = userInputs(news, COMPUTED_KEYS);
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
  const prior = priorOf(here, before);
  const planned = await alreadyPlanned(session, news, pool, key);
  const request = toRequest(spec, pool, key, prior);
  const decided = planned.decided ?? (await decide(session, request, planned.promised, here.unfinished));
  if (!decided.ok) return { failures: [{ property: "", reason: decided.message }] };
  const { placement } = decided;
  promise(session, news, { request, placement });

  const cluster = await session.cluster(placement.cluster);
  const desired = renderShape(spec, placement, cluster, key);
  const why = decided.explanation.outcome === "kept" && before ? before.placement.why : explainLine(decided);
  const inputs: VmInputs = { placement: { ...placement, why }, __desired: desired, __pool: pool.name };
  if (here.home) inputs.__live = { cluster: here.home.cluster, node: here.home.row.node, vmid: here.home.row.vmid };
  const lost = lostDisks(before, inputs);
  if (lost.length > 0) return { failures: lost };
  const restart = restartNeeded(before, inputs);
  if (restart !== undefined) inputs.restart = restart;
  if (here.home && here.home.cluster !== placement.cluster) return planMove(session, spec, federation, pool, inputs, here, decided);
  if (here.unfinished && here.unfinished.step !== "finishing")
    inputs.recovery = `the interrupted move to ${here.unfinished.target.cluster} is rolled back and the VM runs again`;
  return { inputs };
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

function restartNeeded(before: VmInputs | undefined, inputs: VmInputs): string | undefined {
  if (!before || before.placement.cluster !== inputs.placement.cluster || !inputs.__desired.running) return undefined;
  const keys = compareShapes(inputs.__desired, before.__desired)
    .filter((change) => change.needsRestart)
    .map((change) => change.path);
  return keys.length === 0 ? undefined : `the VM restarts: ${keys.join(", ")} cannot change while it runs`;
}

async function planMove(
  session: Session,
  spec: VmSpec,
  federation: Federation,
  pool: ResourcePool,
  inputs: VmInputs,
  here: Whereabouts,
  result: PlacementResult,
): Promise<Planned> {
  const home = here.home!;
  const { placement } = inputs;
  const routed = planRoute(federation, home.cluster, placement.cluster);
  const where = `VM ${spec.name} must leave ${home.cluster}/${home.row.node} for ${placement.cluster}/${placement.node}`;
  if (!routed.ok) return { failures: [{ property: "", reason: `${where}, but ${routed.reason}.` }] };
  const { route } = routed;
  const closed = here.unfinished || session.overrideWindow ? undefined : windowRefusal(route, session.pace.nowMs());
  if (closed !== undefined) return { failures: [{ property: "", reason: `${where}, but ${closed}.` }] };
  const findings = await preflightMove(session, route, pool, inputs, here);
  if (findings.length > 0) return { failures: [{ property: "", reason: `${where}, but cannot be moved: ${findings.join("; ")}.` }] };
  const source = await session.cluster(home.cluster);
  const diskBytes = spec.disks.reduce((sum, disk) => sum + disk.size, 0);
  inputs.__route = route;
  inputs.migration = summarizeMove(route, estimateMove(route, diskBytes, source), {
    from: `${home.cluster}/${home.row.node} (vm ${home.row.vmid})`,
    to: `${placement.cluster}/${placement.node}`,
    reason: moveReason(result, source),
  });
  return { inputs };
}

function moveReason(result: PlacementResult, source: Cluster): string {
  return result.explanation.moveReason ?? `its place on ${source.id} no longer holds`;
}

async function preflightMove(session: Session, route: Route, pool: ResourcePool, inputs: VmInputs, here: Whereabouts): Promise<string[]> {
  const { cluster, row } = here.home!;
  // An unfinished move has passed these checks, and its source is fenced on purpose.
  if (here.unfinished) return [];
  const [sourceApi, targetApi] = await Promise.all([session.client(cluster), session.client(route.target)]);
  const [config, sourcePermissions, targetPermissions] = await Promise.all([
    sourceApi.qemu.getConfig(row.node, row.vmid),
    sourceApi.getPermissions(),
    targetApi.getPermissions(),
  ]);
  const source = await session.reachable(cluster);
  const target = await session.reachable(route.target);
  const store = source?.storages.find((storage) => storage.storage === route.store?.writeStorage && storage.node === row.node);
  return preflight(route, {
    guest: row,
    config,
    sourcePermissions,
    targetPermissions,
    pool: pool.name,
    targetStorages: inputs.placement.storages,
    targetBridges: [...new Set(Object.values(inputs.__desired.networks).map((network) => network.bridge))],
    targetNodeStorages: (target?.storages ?? [])
      .filter((storage) => storage.node === inputs.placement.node && storage.status === "available")
      .map((storage) => storage.storage),
    ...(store?.totalBytes === undefined || store.usedBytes === undefined ? {} : { storeFreeBytes: store.totalBytes - store.usedBytes }),
    leastArchiveBytes: Math.ceil(
      Object.values(inputs.__desired.disks).reduce((sum, disk) => sum + disk.sizeBytes, 0) * LEAST_ARCHIVE_SHARE,
    ),
    attachedVolids: await attachedVolids(session, cluster, row.vmid, dataDrivesOf(config)),
  });
}

/** Volumes in the guest that disks of ours own: their own resources carry them over. */
async function attachedVolids(
  session: Session,
  cluster: string,
  vmid: number,
  drives: ReturnType<typeof dataDrivesOf>,
): Promise<Set<string>> {
  const guests = (await session.reachable(cluster))?.guests ?? [];
  const ours = new Set(guests.filter((guest) => guest.tags.some(isIdentityTag)).map((guest) => guest.vmid));
  return new Set(
    drives
      .filter((drive) => drive.ownerVmid !== undefined && drive.ownerVmid !== vmid && ours.has(drive.ownerVmid))
      .map((drive) => drive.volid),
  );
}
