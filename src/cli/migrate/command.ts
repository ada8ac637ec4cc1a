/** `federate migrate`: one VM from one cluster to another, by the same code as a Pulumi program's. */
import type { Federation, MigrationMethod, ResourcePool } from "../../config";
import { NoConnectionError, withinDeadline } from "../../inventory";
import {
  FREE_STACK,
  identityTag,
  type MarkedGuest,
  type MigrationSummary,
  type MoveRecord,
  parseDescription,
  readMarkedGuest,
  withoutOurTags,
  writeMark,
} from "../../migration";
import { placeOne } from "../../placement";
import { moveHere } from "../../providers/move";
import { planMove } from "../../providers/move-plan";
import { destroyWithArchives, leaveKeptSource, refuseWithoutSuccessor } from "../../providers/predecessors";
import { Session } from "../../providers/session";
import { applyShape, waitUntilAlive } from "../../providers/vm/apply";
import { findWhereabouts } from "../../providers/whereabouts";
import type { GuestRow } from "../../proxmox";
import { EXIT, type ExitCode } from "../exit-codes";
import { UsageError } from "../failure";
import type { Format } from "../formats";
import type { CliIo } from "../io";
import { toLiveRequest } from "../live/requests";
import { writeResult } from "../output";
import { readVisibleRows } from "../snapshot";
import { confirmed } from "./confirm";
import { findGuestRow } from "./find";
import { identityFor, refuseFormerCopy } from "./ownership";
import { type Pacing, pacing } from "./pace";
import { shapeThere } from "./target-shape";

export interface MigrateOptions {
  from: string;
  to: string;
  /** Instead of the path's or the default method. */
  method?: MigrationMethod;
  /** Node of the target; default: placement's choice. */
  node?: string;
  /** Pool at the target; default: the guest's own. */
  pool?: string;
  dryRun?: boolean;
  /** Move a guest that a Pulumi stack owns. */
  handOver?: boolean;
  /** Outside the migration window too. */
  override?: boolean;
  shutdownTimeout: number;
  /** Ask nothing. */
  yes?: boolean;
  format: Format;
}

/** A move that is refused, with the reason. */
export class MigrationRefusedError extends Error {
  readonly code = "MIGRATION_REFUSED";
}

/** A move that has begun and not succeeded; the message says where it stands. */
export class MigrationFailedError extends Error {
  readonly code = "MIGRATION_FAILED";
}

export async function migrate(file: string, guest: string, options: MigrateOptions, io: CliIo): Promise<ExitCode> {
  const steps = pacing(io);
  const session = openSession(file, options, steps, io);
  try {
    const plan = await planMigration(session, guest, options);
    if (options.dryRun === true || !(await confirmed(summaryText(plan), options.yes === true, io))) {
      writeResult(io.stdout, options.format, { moved: false, migration: plan.migration }, () => summaryText(plan));
      return EXIT.ok;
    }
    const record = await carryOut(session, plan, options).catch((error: unknown) => {
      // What the migration throws plainly is meant for the user; anything else is a fault of ours and keeps its stack.
      if (error instanceof Error && error.constructor === Error) throw new MigrationFailedError(error.message, { cause: error });
      throw error;
    });
    writeResult(io.stdout, options.format, { moved: true, migration: plan.migration, record }, () => resultText(plan, record));
    return EXIT.ok;
  } finally {
    steps.end();
    await session.close();
  }
}

function openSession(file: string, { override }: MigrateOptions, { pace }: Pacing, io: CliIo): Session {
  const settings: Record<string, string | undefined> = {
    "proxmox-federation:file": file,
    "proxmox-federation:overrideWindow": override === true ? "true" : undefined,
  };
  const session = new Session(pace, io.environment, { somebodyWaits: true });
  session.configure({ get: (key) => settings[key] });
  return session;
}

interface Plan {
  row: GuestRow;
  source: MarkedGuest;
  identity: ReturnType<typeof identityFor>;
  pool: ResourcePool;
  placement: { cluster: string; node: string };
  shape: ReturnType<typeof shapeThere>["shape"];
  restoreStorage: string;
  migration: MigrationSummary;
  route: Extract<Awaited<ReturnType<typeof planMove>>, { route: unknown }>["route"];
}

async function planMigration(session: Session, text: string, options: MigrateOptions): Promise<Plan> {
  const { from, to } = options;
  if (from === to) throw new UsageError(`--from and --to are both ${from}: inside a cluster Proxmox itself migrates.`);
  const federation = await session.federation();
  const known = federation.clusters.map(({ id }) => id);
  const unknown = [from, to].find((id) => !known.includes(id));
  if (unknown !== undefined)
    throw new UsageError(`there is no cluster ${unknown} in the federation file. It declares ${known.join(", ") || "none"}.`);
  const [sourceCluster, targetCluster] = await Promise.all([session.cluster(from), session.cluster(to)]);
  if (options.method !== undefined) setMethod(federation, from, to, options.method);
  const row = findGuestRow(text, from, await guestsOf(session, from));
  await guestsOf(session, to);
  const api = await session.client(from);
  const source = await readMarkedGuest({ api, node: row.node, vmid: row.vmid });
  if (!source) throw new UsageError(`vm ${row.vmid} has left ${from}/${row.node} just now: look again.`);
  const identity = identityFor(source.mark, { federation: federation.name, cluster: from, vmid: row.vmid }, options.handOver === true);
  const pool = poolFor(federation, row, options);
  const here = source.mark === undefined ? { home: { cluster: from, row } } : await findWhereabouts(session, identity);
  if (source.mark) refuseFormerCopy(source.mark, { cluster: from, vmid: row.vmid }, here);
  const home = here.home?.cluster === from ? here.home : { cluster: from, row };
  const live = toLiveRequest(sourceCluster, row, source.config, pool);
  if (live.pin?.cluster !== undefined && live.pin.cluster !== to)
    throw new MigrationRefusedError(
      `the program of VM ${row.name ?? row.vmid} pins it to ${live.pin.cluster}, and would move it back: change the pin there.`,
    );
  const request = {
    ...live,
    key: identityTag(identity),
    pin: { ...live.pin, cluster: to, ...(options.node === undefined ? {} : { node: options.node }) },
  };
  const decided = placeOne(request, await session.inventory(), []);
  if (!decided.ok) throw new MigrationRefusedError(decided.message);
  const { placement } = decided;
  const running = source.mark?.move?.wasRunning ?? row.status === "running";
  const tags = [...withoutOurTags(row.tags), identityTag(identity)];
  const { shape, restoreStorage } = shapeThere(source.config, {
    source: sourceCluster,
    target: targetCluster,
    storages: placement.storages,
    running,
    tags,
  });
  const planned = await planMove(session, {
    what: `VM ${row.name ?? row.vmid}`,
    here: { ...here, home },
    guest: `vm ${row.vmid}`,
    placement,
    pool,
    disks: request.disks.map(({ sizeBytes }, index) => ({ storage: placement.storages[index] ?? "", sizeBytes })),
    restoreStorage,
    bridges: [...new Set(Object.values(shape.networks).map(({ bridge }) => bridge))],
    declared: {},
    reason: "asked for by federate migrate",
    follows: false,
  });
  if ("failure" in planned) throw new MigrationRefusedError(planned.failure);
  return { row, source, identity, pool, placement, shape, restoreStorage: restoreStorage ?? "local", ...planned };
}

async function guestsOf(session: Session, id: string): Promise<GuestRow[]> {
  const reachable = await session.reachable(id);
  // Refuses credentials that show nothing: with them an empty list would read as "no such guest".
  if (reachable) {
    const api = await session.client(id);
    return (await withinDeadline(reachable.cluster, (options) => readVisibleRows(api, options))).guests;
  }
  const entry = (await session.snapshot()).clusters.get(id);
  throw new NoConnectionError(`cluster ${id} cannot be asked: ${entry?.reachable === false ? entry.reason : "it does not answer"}`);
}

/** For this run only: the file stays as it is. */
function setMethod(federation: Federation, sourceCluster: string, targetCluster: string, method: MigrationMethod): void {
  const { paths } = federation.migration;
  const path = paths.find((candidate) => candidate.sourceCluster === sourceCluster && candidate.targetCluster === targetCluster);
  if (path) path.method = method;
  else paths.push({ sourceCluster, targetCluster, method, compression: true, encryptionRequired: false });
}

function poolFor(federation: Federation, row: GuestRow, { pool, to }: MigrateOptions): ResourcePool {
  const known = federation.resourcePools;
  const name = pool ?? (known.some((candidate) => candidate.name === row.pool) ? row.pool : undefined) ?? federation.defaultPool;
  const names = known.map((candidate) => candidate.name).join(", ") || "none";
  if (name === undefined)
    throw new UsageError(`vm ${row.vmid} is in no pool of the federation: name one with --pool (declared: ${names}).`);
  const found = known.find((candidate) => candidate.name === name);
  if (!found) throw new UsageError(`there is no pool ${name} in the federation file (declared: ${names}).`);
  if (!found.clusters.includes(to)) throw new MigrationRefusedError(`pool ${name} has no member ${to}: its VMs must not run there.`);
  return found;
}

async function carryOut(session: Session, plan: Plan, options: MigrateOptions): Promise<MoveRecord> {
  const { identity, row, shape, placement, pool, route, restoreStorage } = plan;
  const source = await takeOver(session, plan);
  await ensurePool(session, placement.cluster, pool);
  const shutdown = { timeoutSeconds: options.shutdownTimeout, force: false };
  const { pace } = session;
  // A guest whose agent answered before has to answer afterwards.
  const answers = row.status === "running" && (await source.ref.api.qemu.pingAgent(row.node, row.vmid));
  const { record } = await moveHere(session, {
    identity,
    source,
    placement,
    storage: restoreStorage,
    pool: pool.name,
    route,
    text: parseDescription(source.config.values.description).text,
    tags: shape.tags,
    demands: source.mark?.demands,
    name: row.name ?? `vm-${row.vmid}`,
    shutdown,
    running: shape.running,
    onBoot: source.mark?.move?.onBoot ?? source.config.values.onboot === "1",
    adapt: (guest) => applyShape(guest, shape, { shutdown }, pace),
    waitUntilAlive: (guest) => waitUntilAlive(guest, { expected: answers, timeoutSeconds: 300 }, pace),
  });
  await removeSource(session, plan);
  return record;
}

/** Only a guest that says whose it is can say how far its move has come: one that nobody owns gets a mark first. */
async function takeOver(session: Session, { source, identity, shape }: Plan): Promise<MarkedGuest> {
  if (source.mark) return source;
  const { text } = parseDescription(source.config.values.description);
  await writeMark(source, { mark: { ...identity, generation: 1, phase: "settled" }, text, tags: shape.tags }, session.pace);
  const taken = await readMarkedGuest(source.ref);
  if (!taken?.mark)
    throw new Error(
      `vm ${source.ref.vmid} on ${source.ref.api.clusterId} has lost the mark that was written on it: something else changes its description. Nothing was moved.`,
    );
  return taken;
}

/** The source is retired by now; it goes as the delete half of a replacement would have it go. */
async function removeSource(session: Session, { identity, source }: Plan): Promise<void> {
  const retired = await readMarkedGuest(source.ref);
  if (retired?.mark?.phase !== "retired") return;
  await refuseWithoutSuccessor(session, identity, retired);
  if (await leaveKeptSource(session, retired)) return;
  await destroyWithArchives(session, identity, retired);
}

async function ensurePool(session: Session, cluster: string, pool: ResourcePool): Promise<void> {
  const api = await session.client(cluster);
  if (await api.pools.find(pool.name)) return;
  await api.pools.create(pool.name, pool.description ?? "");
}

function summaryText({ migration }: Plan): string {
  return Object.entries(migration)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${`${key}:`.padEnd(10)} ${String(value)}`)
    .join("\n");
}

function resultText({ identity, row }: Plan, { to, startedAt, finishedAt }: MoveRecord): string {
  const seconds = Math.round((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000);
  const done = `moved: ${row.name ?? `vm ${row.vmid}`} is vm ${to.vmid} on ${to.cluster}/${to.node} (${seconds} s)`;
  return identity.stack === FREE_STACK
    ? done
    : `${done}\nnext: pulumi refresh in ${identity.stack}, so that its state says where the VM is`;
}
