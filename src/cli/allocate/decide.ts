/** Where a VM of that size would go: the engine's own decision, on what the clusters answered. Pure. */
import type { Federation, ResourcePool } from "../../config";
import { toInventory, toPoolPolicy } from "../../inventory";
import { isIdentityTag } from "../../migration";
import { forecastInventory, type PlacementRequest, type PlacementResult, placeOne } from "../../placement";
import { type Asked, exitCodesOf } from "../ask-clusters";
import { EXIT, type ExitCode, worstOf } from "../exit-codes";
import { joinHistories, type RecordedRows } from "../forecast/history";
import { type ClusterRows, toSnapshot } from "../snapshot";
import { declaredRows, undeclaredStorages } from "./declared";

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

/** What is asked for. */
export interface Wish {
  cores: number;
  memoryBytes: number;
  /** 0: a VM without a disk. */
  storageBytes: number;
  location?: string;
}

export interface Allocation {
  /** `declared`: no cluster of the pool answered, so that only the file's figures and no guests are known. */
  basis: "live" | "declared";
  result: PlacementResult;
  /** What the reader has to know about what the decision rests on. */
  notes: string[];
}

/** Rows of a cluster, with the history of its use where a forecast is asked for. */
export type Recorded = ClusterRows & Partial<Pick<RecordedRows, "history" | "gaps">>;

/**
 * @param instantMs for which moment to decide: which time windows are open then
 * @param ahead judges candidates as they are predicted to be in so many days
 */
export function decide(
  federation: Federation,
  pool: ResourcePool,
  wish: Wish,
  asked: readonly Asked<Recorded>[],
  instantMs: number,
  ahead?: { days: number; nowMs: number },
): Allocation {
  const request = toRequest(pool, wish);
  const members = asked.filter(({ cluster }) => pool.clusters.includes(cluster.id));
  const live = members.some(({ ok }) => ok);
  const notes = members.flatMap((answer) =>
    answer.ok ? [] : [`${answer.cluster.id} ${live ? "is left out" : "does not answer"}: ${answer.reason}`],
  );
  const snapshot = toSnapshot(federation, live ? asked : asDeclared(asked));
  const inventory = toInventory(snapshot, (_cluster, guest) => guest.tags.find(isIdentityTag), instantMs);
  const histories = members.flatMap((answer) => (answer.ok && answer.value.history ? [answer.value.history] : []));
  const then =
    ahead === undefined
      ? inventory
      : forecastInventory(inventory, joinHistories(histories), { nowMs: ahead.nowMs, horizonMs: ahead.days * DAY_MS });
  const result = placeOne(request, then, []);
  const gaps = members.flatMap((answer) => (answer.ok ? (answer.value.gaps ?? []) : []));
  return { basis: live ? "live" : "declared", result, notes: live ? [...notes, ...gaps] : [...notes, ...sizelessNotes(asked, result)] };
}

/** The request of a VM that does not exist yet; its key only breaks ties, so that the same wish gets the same answer. */
function toRequest(pool: ResourcePool, { cores, memoryBytes, storageBytes, location }: Wish): PlacementRequest {
  return {
    key: `allocate/${pool.name}`,
    name: `a VM in ${pool.name}`,
    cores,
    memoryMiB: Math.ceil(memoryBytes / MIB),
    disks: storageBytes === 0 ? [] : [{ name: "scsi0", storageClass: "", sizeBytes: storageBytes }],
    networks: [],
    pool: toPoolPolicy(pool),
    tags: [],
    rules: [],
    residency: [],
    ...(location === undefined ? {} : { location }),
  };
}

function asDeclared(asked: readonly Asked<ClusterRows>[]): Asked<ClusterRows>[] {
  // A lost cluster is not there, whatever the file says it had.
  return asked.map((answer) =>
    answer.cluster.status === "lost" ? answer : { cluster: answer.cluster, ok: true, value: declaredRows(answer.cluster) },
  );
}

function sizelessNotes(asked: readonly Asked<ClusterRows>[], result: PlacementResult): string[] {
  if (!result.ok) return [];
  const { cluster: id, storages } = result.placement;
  const cluster = asked.find((answer) => answer.cluster.id === id)?.cluster;
  const sizeless = new Set(cluster === undefined ? [] : undeclaredStorages(cluster));
  return [...new Set(storages)]
    .filter((storage) => sizeless.has(storage))
    .map((storage) => `the capacity of storage ${storage} of ${id} is not declared: it is taken to be large enough`);
}

export function allocateExitCode({ result }: Allocation, asked: readonly Asked<unknown>[]): ExitCode {
  // Without a place, a cluster that could not be asked may be the reason.
  return result.ok ? EXIT.ok : worstOf([EXIT.finding, ...exitCodesOf(asked)]);
}
