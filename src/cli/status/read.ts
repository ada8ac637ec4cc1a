/** What `status` asks one cluster: a handful of calls, all at once. */
import { describeIdentity, MOVING_TAG, parseDescription } from "../../migration";
import type { CallOptions, ClusterStatus, GuestRow, NodeRow, ProxmoxApi } from "../../proxmox";
import { unlessForbidden } from "../ask-clusters";
import { type ClusterRows, readVisibleRows } from "../snapshot";
import { type ArrivedCopies, type BackedUpPool, type BackupAge, type CopiedPool, readBackupAges, readCopies } from "./backups";

export interface ClusterReading extends ClusterRows {
  /** Guests of pools that are backed up on a schedule. */
  backups: BackupAge[];
  /** What has arrived of other clusters' backups. */
  copies: ArrivedCopies[];
  version: string;
  /** Of one small call to its API from here; the first one of a run includes the connection's set-up. */
  latencyMs: number;
  /** Absent: the token lacks Sys.Audit on `/`. */
  status?: ClusterStatus;
  tasks: RunningTask[];
  moves: UnfinishedMove[];
  /** What could not be read, as sentences. */
  gaps: string[];
}

export interface RunningTask {
  node: string;
  type: string;
  /** vmid, volume or empty. */
  id: string;
  user: string;
  startTimeSeconds: number;
}

/** One end of a move that is under way, or was interrupted. */
export interface UnfinishedMove {
  vmid: number;
  node: string;
  /** `VM web-1 of stack shop/prod`; the guest's name when its mark cannot be read. */
  resource: string;
  /** Phase of the mark: `moving` on the source, `claimed` or `restored` on the target. Absent without a mark. */
  phase?: string;
  /** Of the journal, which is on the source. */
  step?: string;
  startedAt?: string;
  /** The other end, as far as it is known. */
  peer?: { cluster: string; vmid?: number };
}

/** What the pools of the file mean for one cluster. */
export interface BackupPolicies {
  /** Backed up on a schedule. */
  own: readonly BackedUpPool[];
  /** Copied from other clusters. */
  copied: readonly CopiedPool[];
}

export async function readCluster(api: ProxmoxApi, pools: BackupPolicies, options: CallOptions): Promise<ClusterReading> {
  const [{ version, latencyMs }, status, inside] = await Promise.all([
    timedVersion(api, options),
    unlessForbidden(api.getClusterStatus(options)),
    readVisibleRows(api, options).then((rows) => readInside(api, pools, rows, options)),
  ]);
  return { version, latencyMs, status, ...inside };
}

async function timedVersion(api: ProxmoxApi, options: CallOptions): Promise<{ version: string; latencyMs: number }> {
  const startMs = performance.now();
  const { version } = await api.getVersion(options);
  return { version, latencyMs: performance.now() - startMs };
}

/** What can only be asked once nodes and guests are known. */
async function readInside(
  api: ProxmoxApi,
  pools: BackupPolicies,
  rows: ClusterRows,
  options: CallOptions,
): Promise<Omit<ClusterReading, "version" | "latencyMs" | "status">> {
  const gaps: string[] = [];
  const orGap = async <T>(call: Promise<T>, otherwise: T, what: string): Promise<T> => {
    try {
      return await call;
    } catch (error) {
      gaps.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return otherwise;
    }
  };
  const online = rows.nodes.filter(({ status }) => status === "online");
  const moving = rows.guests.filter((guest) => guest.guestType === "qemu" && guest.tags.includes(MOVING_TAG));
  const [tasks, moves, backups, copies] = await Promise.all([
    Promise.all(online.map((node) => orGap(readTasks(api, node, options), [], `tasks of node ${node.node} cannot be read`))),
    Promise.all(moving.map((guest) => orGap(readMove(api, guest, options), unreadMove(guest), `mark of vm ${guest.vmid} cannot be read`))),
    orGap(readBackupAges(api, pools.own, rows, Date.now() / 1000, options), [], "age of the backups cannot be read"),
    orGap(readCopies(api, pools.copied, rows, options), [], "copies of other clusters' backups cannot be read"),
  ]);
  return { ...rows, tasks: tasks.flat(), moves, backups, copies, gaps };
}

async function readTasks(api: ProxmoxApi, { node }: NodeRow, options: CallOptions): Promise<RunningTask[]> {
  // Proxmox keeps tasks that just ended among the active ones for a while.
  const tasks = (await api.tasks.list(node, { source: "active" }, options)).filter(({ status }) => status === "running");
  return tasks.map(({ type, id, user, startTimeSeconds }) => ({ node, type, id, user, startTimeSeconds }));
}

async function readMove(api: ProxmoxApi, guest: GuestRow, options: CallOptions): Promise<UnfinishedMove> {
  const config = await api.qemu.findConfig(guest.node, guest.vmid, options);
  const { mark } = parseDescription(config?.values.description);
  if (mark === undefined) return unreadMove(guest);
  const { vmid, node } = guest;
  const target = mark.move?.target;
  return {
    vmid,
    node,
    resource: describeIdentity(mark),
    phase: mark.phase,
    step: mark.move?.step,
    startedAt: mark.move?.startedAt,
    peer: target === undefined ? (mark.source ?? mark.successor) : { cluster: target.cluster, vmid: target.vmid },
  };
}

function unreadMove({ vmid, node, name }: GuestRow): UnfinishedMove {
  return { vmid, node, resource: name === undefined ? `vm ${vmid}` : `${name}` };
}
