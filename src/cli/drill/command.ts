/** `federate drill`: proves that backups can be restored, and how long it takes. Copies are cut off and removed. */
import type { Cluster, Federation } from "../../config";
import type { ClusterClients } from "../../inventory";
import { isIdentityTag, type Pace, parseDescription } from "../../migration";
import { findNewestBackup, restoreLostGuest, storagesWithArchivesOf } from "../../migration/failover";
import { askClusters, exitCodesOf } from "../ask-clusters";
import { loadWithWarnings } from "../context";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import { codeOf, UsageError } from "../failure";
import type { Format } from "../formats";
import { type CliIo, painterFor, printable } from "../io";
import { pacing } from "../migrate/pace";
import { writeResult } from "../output";
import { readVisibleRows } from "../snapshot";
import { withClients } from "../with-clients";
import { type Alive, DRILL_TAG, drillIdentity, findLeftovers, isolate, removeDrill, startAndWait } from "./guest";
import { appendDrill, drillLogFile } from "./log";
import { type DrillResult, drillText } from "./report";
import { type Chosen, chooseGuests, chooseNode, chooseTarget } from "./select";

export interface DrillOptions {
  pool?: string;
  /** Names or vmids; empty: all of the pool. */
  vm: string[];
  /** Where to restore. */
  cluster?: string;
  bridge?: string;
  /** Leaves the copies running on their bridge; the next drill removes them. */
  keep?: boolean;
  agentTimeout: number;
  /** Seconds that a guest without an agent has to stay running. */
  settle: number;
  format: Format;
}

type ClientOf = ClusterClients["get"];

export async function drill(file: string, options: DrillOptions, io: CliIo): Promise<ExitCode> {
  if (options.pool === undefined && options.vm.length === 0) throw new UsageError("say what to restore: --pool, --vm, or both.");
  const { federation } = await loadWithWarnings(file, io);
  const bridge = options.bridge ?? federation.failover?.drillBridge;
  if (bridge === undefined)
    throw new UsageError(
      "an isolated bridge is needed: --bridge, or failover.drill_bridge in the federation file. A copy on a bridge with a way out would answer beside the original.",
    );
  return withClients(file, io, async (clients) => {
    const steps = pacing(io);
    try {
      const asked = await askClusters(federation.clusters, clients, (api, _cluster, o) => readVisibleRows(api, o));
      const paint = painterFor(io.stderr);
      for (const answer of asked)
        if (!answer.ok && answer.kind !== "not-contacted")
          io.stderr.write(`${paint("yellow", "warning:")} ${printable(`${answer.cluster.id} is left out: ${answer.reason}`)}\n`);
      const chosen = choose(federation, asked, options);
      if (chosen instanceof UsageError) {
        const unanswered = exitCodesOf(asked);
        // What was asked for may be on a cluster that does not answer.
        if (unanswered.length === 0) throw chosen;
        io.stderr.write(`${paint("red", "error:")} ${printable(chosen.message)}\n`);
        return worstOf(unanswered);
      }
      const plans: { guest: Chosen; target: Cluster; node: string }[] = [];
      // Everything that can be refused is, before the first copy is made.
      for (const guest of chosen) {
        const target = chooseTarget(federation, guest, options.cluster);
        const answer = asked.find(({ cluster }) => cluster.id === target.id);
        if (!answer?.ok) throw new UsageError(`cluster ${target.id} cannot be restored to: ${answer?.reason ?? "it is not in the file"}`);
        plans.push({ guest, target, node: await chooseNode(await clients.get(target), answer.value, target, bridge, {}) });
      }
      for (const target of new Set(plans.map((plan) => plan.target)))
        await removeLeftovers(federation, await clients.get(target), steps.pace);
      const results: DrillResult[] = [];
      const log = drillLogFile(federation, file);
      if (log === undefined)
        io.stderr.write(`${paint("yellow", "warning:")} this drill is not recorded: set failover.drill_log in the federation file\n`);
      for (const plan of plans) {
        if (steps.pace.signal?.aborted) break;
        const result = await drillOne({ federation, options, bridge, ...plan, clientOf: (cluster) => clients.get(cluster) }, steps.pace);
        results.push(result);
        // An interruption says nothing about the backup.
        if (log !== undefined && !(steps.pace.signal?.aborted && result.problem !== undefined))
          await record(log, federation.name, plan.guest.row.pool, result, steps.pace);
      }
      writeResult(io.stdout, options.format, { federation: federation.name, bridge, drills: results }, () =>
        drillText(results, bridge, painterFor(io.stdout)),
      );
      const isFine =
        results.length === plans.length && results.every(({ problem, rpoExceeded }) => problem === undefined && rpoExceeded !== true);
      return worstOf([isFine ? EXIT.ok : EXIT.finding, ...exitCodesOf(asked)]);
    } finally {
      steps.end();
    }
  });
}

function choose(federation: Federation, asked: Parameters<typeof chooseGuests>[1], options: DrillOptions): Chosen[] | UsageError {
  try {
    return chooseGuests(federation, asked, options, ({ tags }) => tags.some(isIdentityTag) && !tags.includes(DRILL_TAG));
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

async function removeLeftovers(federation: Federation, api: Parameters<typeof findLeftovers>[0], pace: Pace): Promise<void> {
  for (const { pool, ...ref } of await findLeftovers(api, federation.name)) {
    pace.report(`removing vm ${ref.vmid} on ${api.clusterId}, left by an earlier drill`);
    await removeDrill(ref, federation.name, pool, pace);
  }
}

/** The drill is over: a log that cannot be written is reported, and changes no result. */
async function record(log: string, federation: string, pool: string | undefined, result: DrillResult, pace: Pace): Promise<void> {
  try {
    await appendDrill(log, federation, pool, result, pace.nowMs());
  } catch (error) {
    pace.report(`warning: the drill log ${log} was not written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface OneDrill {
  federation: Federation;
  options: DrillOptions;
  bridge: string;
  guest: Chosen;
  target: Cluster;
  node: string;
  clientOf: ClientOf;
}

async function drillOne(one: OneDrill, pace: Pace): Promise<DrillResult> {
  const { federation, guest, target, node } = one;
  const name = guest.row.name ?? `vm ${guest.row.vmid}`;
  const result: DrillResult = { cluster: guest.cluster.id, vmid: guest.row.vmid, name, target: `${target.id}/${node}` };
  const pool = guest.row.pool;
  if (pool === undefined) return { ...result, problem: "it is in no pool: a copy whose restore fails could not be found again" };
  const api = await one.clientOf(target);
  let fault: unknown;
  let claimed: { vmid: number; node: string } | undefined;
  try {
    await measure(one, pool, result, pace, (ref) => {
      claimed = ref;
      result.copy = ref.vmid;
    });
  } catch (error) {
    result.problem = error instanceof Error ? error.message : String(error);
    if (isFault(error)) fault = error;
  }
  // Also after Ctrl-C and after a fault of ours: nothing is worth a copy left behind.
  if (claimed && (one.options.keep !== true || result.problem !== undefined)) {
    const copy = { api, ...(claimed as { vmid: number; node: string }) };
    await removeCopy(copy, federation.name, pool, result, { ...pace, signal: undefined });
  }
  if (fault !== undefined) throw fault;
  return result;
}

async function removeCopy(
  copy: Parameters<typeof removeDrill>[0],
  federation: string,
  pool: string,
  result: DrillResult,
  pace: Pace,
): Promise<void> {
  try {
    await removeDrill(copy, federation, pool, pace);
    result.removed = true;
  } catch (error) {
    if (isFault(error)) throw error;
    result.removed = false;
    const left = `its copy, vm ${copy.vmid} on ${copy.api.clusterId}, was not removed: ${(error as Error).message}`;
    result.problem = result.problem === undefined ? left : `${result.problem}; ${left}`;
  }
}

/** What the clusters and our own steps say is told; anything else is a fault of this program. */
function isFault(error: unknown): boolean {
  return !(error instanceof Error) || (error.constructor !== Error && codeOf(error) === undefined && error.name !== "AbortError");
}

async function measure(
  { federation, options, bridge, guest, target, node, clientOf }: OneDrill,
  pool: string,
  result: DrillResult,
  pace: Pace,
  onClaimed: (ref: { vmid: number; node: string }) => void,
): Promise<void> {
  const { row, cluster } = guest;
  const api = await clientOf(target);
  const live = await (await clientOf(cluster)).qemu.getConfig(row.node, row.vmid);
  const { mark } = parseDescription(live.values.description);
  if (!mark) throw new Error("its description does not carry our mark");
  const places = storagesWithArchivesOf(federation.backupStores, cluster.id, target.id);
  if (places.length === 0) throw new Error(`no backup store shows ${target.id} the backups of ${cluster.id}`);
  const backup = await findNewestBackup({ api, node }, places, mark, row.vmid);
  if (!backup) throw new Error(`no backup with its mark is found on ${places.map(({ storage }) => storage).join(", ")} of ${target.id}`);
  const { volid, createdAtSeconds, sizeBytes } = backup.volume;
  const backedUpAt = new Date(createdAtSeconds * 1000).toISOString();
  const ageMs = Math.max(0, pace.nowMs() - createdAtSeconds * 1000);
  result.backup = { volid, store: backup.store, sizeBytes, backedUpAt };
  result.ageSeconds = Math.round(ageMs / 1000);
  const rpoMs = guest.pool?.replication?.rpoMs;
  if (rpoMs !== undefined) result.rpoExceeded = ageMs > rpoMs;
  const storage = target.storage.primary;
  if (storage === undefined) throw new Error(`${target.id} declares no storage.primary_storage to restore to`);
  const startMs = pace.nowMs();
  const restored = await restoreLostGuest(
    {
      identity: drillIdentity(federation.name, { cluster: cluster.id, vmid: row.vmid }),
      name: `drill-${result.name}`.replace(/[^A-Za-z0-9.-]/g, "-"),
      generation: 1,
      note: { from: { cluster: cluster.id, vmid: row.vmid }, archive: volid, backedUpAt },
      target: { api, node, pool, storage, ...(target.vmidRange ? { vmidRange: target.vmidRange } : {}) },
      text: `Restore drill of ${result.name} (vm ${row.vmid} on ${cluster.id}); removed when the drill ends.`,
      tags: [DRILL_TAG],
      anyVmid: true,
      onClaimed: (ref) => onClaimed({ vmid: ref.vmid, node: ref.node }),
    },
    pace,
  );
  await isolate(restored, bridge, pace);
  const alive: Alive = await startAndWait(restored, { agentMs: options.agentTimeout * 1000, settleMs: options.settle * 1000 }, pace);
  const settledMs = alive === "running" ? options.settle * 1000 : 0;
  result.alive = alive;
  result.rtoSeconds = Math.round((pace.nowMs() - startMs - settledMs) / 1000);
}
