/**
 * The HA manager: every ten seconds of virtual time it looks at each resource and starts the worker
 * that brings it nearer to what is asked. A node that does not answer is fenced, its guests start elsewhere.
 */
import { requireUnlocked } from "../guests/lookup";
import { migrateGuest } from "../guests/migration";
import { shutdownGuest, startGuest } from "../guests/power";
import { processStopped } from "../guests/runtime";
import type { ClusterState, GuestState, TaskContext } from "../kernel";
import { hasQuorum } from "../quorum";
import type { HaService } from "../state";
import { migrationLimitBytesPerSecond } from "../volumes/bandwidth-limit";
import type { Place } from "../volumes/calls";
import type { SimulatorWorld } from "../world";
import { chooseNode, failbackNode } from "./node-choice";
import { vmidOf } from "./services";

const periodMs = 10_000;
/** After so long without an answer a node's watchdog has turned it off. */
const fenceMs = 60_000;
/** Locks of work that died with its node. */
const brokenLocks = new Set(["backup", "clone", "create", "migrate", "rollback", "snapshot", "snapshot-delete", "suspending"]);
const defaultRetries = 1;

/** Starts the managers of all clusters; returns how to stop them. */
export function startHaManagers(world: SimulatorWorld): () => void {
  const managers = Object.values(world.state.clusters).map((cluster) => new HaManager(world, cluster));
  return world.clock.every(periodMs, () => {
    for (const manager of managers) manager.look();
  });
}

class HaManager {
  /** Service → its running worker. */
  private readonly workers = new Map<string, string>();

  constructor(
    private readonly world: SimulatorWorld,
    private readonly cluster: ClusterState,
  ) {}

  look(): void {
    const { ha } = this.cluster;
    if (ha.idle || !hasQuorum(this.cluster)) return;
    const wanted = Object.entries(ha.resources).filter(([sid, { state }]) => state !== "ignored" && this.cluster.guests[vmidOf(sid)]);
    if (wanted.length === 0 && ha.services === undefined) return;
    const known = ha.services ?? {};
    ha.services = Object.fromEntries(
      wanted.map(([sid, { state }]) => [
        sid,
        known[sid] ?? { node: this.guestOf(sid).node, state: isStopRequest(state) ? "stopped" : "started" },
      ]),
    );
    for (const [sid, service] of Object.entries(ha.services)) this.tend(sid, service);
    this.world.touch();
  }

  private guestOf(sid: string): GuestState {
    return this.cluster.guests[vmidOf(sid)]!;
  }

  private tend(sid: string, service: HaService): void {
    const guest = this.guestOf(sid);
    const { state } = this.cluster.ha.resources[sid]!;
    service.node = guest.node;
    if (this.cluster.nodes[guest.node]?.status === "offline") {
      this.recover(sid, service, guest);
      return;
    }
    delete service.lostSinceMs;
    const worker = this.workers.get(sid);
    if (worker !== undefined && this.world.tasks.isRunning(worker)) return;
    const stopping = isStopRequest(state);
    const home = guest.running && !stopping ? failbackNode(this.cluster, sid, guest.node) : undefined;
    if (service.state === "error") {
      if (state === "disabled") service.state = "stopped";
    } else if (service.command) this.move(sid, service, guest, service.command);
    else if (stopping) this.stop(sid, service, guest);
    else if (home !== undefined) this.move(sid, service, guest, { kind: "migrate", node: home });
    else this.start(sid, service, guest);
  }

  /** The node does not answer: wait for its watchdog, then take its guests over. */
  private recover(sid: string, service: HaService, guest: GuestState): void {
    const nowMs = this.world.clock.nowMs();
    service.lostSinceMs ??= nowMs;
    if (nowMs - service.lostSinceMs < fenceMs) return;
    const lost = guest.node;
    service.state = "fence";
    for (const upid of this.world.tasks.listRunning(this.cluster.id)) {
      if (this.cluster.tasks[upid]?.node === lost) this.world.tasks.kill(upid);
    }
    const place = this.placeAt(lost);
    for (const other of Object.values(this.cluster.guests)) if (other.node === lost && other.running) processStopped(place, other);
    const target = chooseNode(this.cluster, sid, [lost]);
    service.state = "recovery";
    if (target === undefined) return;
    if (brokenLocks.has(guest.config.lock ?? "")) delete guest.config.lock;
    guest.node = target;
    service.node = target;
    service.state = isStopRequest(this.cluster.ha.resources[sid]!.state) ? "stopped" : "started";
    delete service.lostSinceMs;
    delete service.command;
    this.world.event("ha-recovered", { cluster: this.cluster.id, vmid: guest.vmid, from: lost, to: target });
  }

  private start(sid: string, service: HaService, guest: GuestState): void {
    service.state = "started";
    if (guest.running || guest.config.lock !== undefined) return;
    this.work(sid, guest, "qmstart", async (place, task) => {
      try {
        await startGuest(place, guest.vmid, task, {});
        delete service.failedStarts;
      } catch (error) {
        this.countFailure(sid, service, guest);
        throw error;
      }
    });
  }

  /** First again on the same node, then on another one, then no more. */
  private countFailure(sid: string, service: HaService, guest: GuestState): void {
    const resource = this.cluster.ha.resources[sid] ?? {};
    const restarts = Number(resource.max_restart ?? defaultRetries);
    const relocations = Number(resource.max_relocate ?? defaultRetries);
    service.failedStarts = (service.failedStarts ?? 0) + 1;
    if (service.failedStarts <= restarts) return;
    const other = service.failedStarts - restarts <= relocations ? chooseNode(this.cluster, sid, [guest.node]) : undefined;
    if (other === undefined) service.state = "error";
    else service.command = { kind: "relocate", node: other };
  }

  private stop(sid: string, service: HaService, guest: GuestState): void {
    service.state = "stopped";
    if (!guest.running || guest.config.lock !== undefined) return;
    this.work(sid, guest, "qmshutdown", (place, task) => shutdownGuest(place, guest.vmid, task, { forceStop: true }));
  }

  private move(sid: string, service: HaService, guest: GuestState, { kind, node }: NonNullable<HaService["command"]>): void {
    delete service.command;
    const target = this.cluster.nodes[node];
    if (!target || node === guest.node || target.status !== "online") return;
    service.state = kind;
    const runs = guest.running;
    this.work(sid, guest, "qmigrate", async (place, task) => {
      try {
        requireUnlocked(guest);
        if (kind === "relocate" && runs) await shutdownGuest(place, guest.vmid, task, { forceStop: true });
        await migrateGuest(
          place,
          {
            vmid: guest.vmid,
            target: node,
            targetIp: target.ip,
            storageMap: { identity: false, entries: {} },
            withLocalDisks: false,
            limitBetween: (from, to) => migrationLimitBytesPerSecond(this.cluster, [from, to]),
          },
          task,
        );
      } finally {
        service.state = "started";
      }
    });
  }

  private work(sid: string, guest: GuestState, type: string, run: (place: Place, task: TaskContext) => Promise<void>): void {
    const place = this.placeAt(guest.node);
    const spec = { type, id: String(guest.vmid), node: guest.node, user: "root@pam" };
    this.workers.set(
      sid,
      this.world.tasks.start(this.cluster, spec, (task) => run(place, task)),
    );
  }

  private placeAt(node: string): Place {
    return { world: this.world, cluster: this.cluster, node };
  }
}

function isStopRequest(state: string | undefined): boolean {
  return state === "stopped" || state === "disabled";
}
