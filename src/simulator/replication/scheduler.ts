/** Once a minute of virtual time each node runs the replication jobs of its guests, one after the other. */
import type { Work } from "../guests/work";
import type { ClusterState } from "../kernel";
import { hasQuorum } from "../quorum";
import type { SimulatorWorld } from "../world";
import { guestOf, nextSyncSeconds, type ReplicationJob, setState, stateOf, switchDirection } from "./jobs";
import { replicate } from "./replicate";

const periodMs = 60_000;

/** Starts the schedulers of all clusters; returns how to stop them. */
export function startReplication(world: SimulatorWorld): () => void {
  /** Nodes whose last round is not over. */
  const busy = new Set<string>();
  return world.clock.every(periodMs, () => {
    for (const cluster of Object.values(world.state.clusters)) {
      if (cluster.down || !hasQuorum(cluster)) continue;
      for (const node of Object.values(cluster.nodes)) {
        const key = `${cluster.id}/${node.name}`;
        if (node.status !== "online" || busy.has(key)) continue;
        const due = dueJobs(world, cluster, node.name);
        if (due.length === 0) continue;
        busy.add(key);
        void runRound(world, cluster, node.name, due).finally(() => busy.delete(key));
      }
    }
  });
}

function dueJobs(world: SimulatorWorld, cluster: ClusterState, node: string): [string, ReplicationJob][] {
  const nowSeconds = Math.floor(world.clock.nowMs() / 1000);
  return Object.entries(cluster.replication).filter(([id, job]) => {
    const guest = cluster.guests[guestOf(id)];
    if (guest?.node !== node) return false;
    if (job.source !== undefined && job.source !== node) switchDirection(cluster, guest.vmid, job.source, node);
    if (job.remove_job === undefined && (job.disable === "1" || job.target === node)) return false;
    const next = nextSyncSeconds(cluster, id, job);
    return next !== 0 && next <= nowSeconds;
  });
}

async function runRound(world: SimulatorWorld, cluster: ClusterState, node: string, due: [string, ReplicationJob][]): Promise<void> {
  const work: Work = {
    log: () => {},
    pass: (virtualMs) => world.clock.sleep(virtualMs),
    transfer: (bytes, through, limitBytesPerSecond) => world.bandwidth.transfer({ bytes, through, limitBytesPerSecond }),
    killed: false,
  };
  for (const [id, job] of due) {
    try {
      await replicate({ world, cluster, node }, id, job, work);
    } catch (error) {
      // The job's state and log keep the reason; the next try comes by itself.
      world.event("replication-failed", { cluster: cluster.id, job: id, message: String(error) });
    }
  }
}

/** Asks for a run at the next turn. */
export function scheduleNow(cluster: ClusterState, id: string): void {
  setState(cluster, id, { ...stateOf(cluster, id), now: true, failures: 0 });
}
