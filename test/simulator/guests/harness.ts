/** A simulated federation without servers: calls go straight to the operations, time moves by hand. */
import { performCall } from "../../../src/simulator/calls";
import type { ApiReply, ClusterState, GuestState, Method } from "../../../src/simulator/kernel";
import { buildFederationState, type SimulatedLayout } from "../../../src/simulator/layout";
import { Router } from "../../../src/simulator/router";
import { routesOf } from "../../../src/simulator/routes";
import { smallLayout, smallLayoutToken } from "../../../src/simulator/small-layout";
import type { Era, VolumeState } from "../../../src/simulator/state";
import { writeBlocks } from "../../../src/simulator/volumes";
import { getVolume } from "../../../src/simulator/volumes/volumes";
import { SimulatorWorld } from "../../../src/simulator/world";

export const root = "root@pam";
export const token = smallLayoutToken;
export const mebibyte = 1024 * 1024;

type Params = Record<string, unknown>;

export interface FinishedTask {
  upid: string;
  exitStatus: string | undefined;
  log: string[];
}

export interface Rig {
  world: SimulatorWorld;
  cluster(id: string): ClusterState;
  /** Result data; throws the ApiError of a refused call. */
  call(method: Method, path: string, params?: Params, as?: string): Promise<unknown>;
  /** The UPID of a call that starts a worker, without waiting for it. */
  begin(method: Method, path: string, params?: Params, as?: string): Promise<string>;
  /** Starts a worker and lets it come to its end. */
  run(method: Method, path: string, params?: Params, as?: string): Promise<FinishedTask>;
  /** Lets a worker come to its end. */
  finish(upid: string): Promise<FinishedTask>;
  task(upid: string): FinishedTask;
  guest(cluster: string, vmid: number): GuestState | undefined;
  volume(cluster: string, node: string, volid: string): VolumeState;
  /** As a guest writes: `count` blocks from `first` on. */
  write(cluster: string, node: string, volid: string, first: number, count: number, seed?: string): void;
}

const routers = new Map<Era, Router>();

function routerOf(era: Era): Router {
  const router = routers.get(era) ?? new Router(routesOf(era));
  routers.set(era, router);
  return router;
}

/** Paths begin with the cluster: `ams/nodes/ams-1/qemu`. */
export function createRig(options: { layout?: SimulatedLayout; blockBytes?: number } = {}): Rig {
  const blockBytes = options.blockBytes ?? mebibyte;
  const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  const state = buildFederationState(options.layout ?? smallLayout(), { nowMs, seed: 7, blockBytes });
  const world = new SimulatorWorld({ state, timeScale: 0, blockBytes });

  const request = (method: Method, path: string, params: Params, as: string): Promise<ApiReply> => {
    const [id = "", ...rest] = path.split("/");
    const cluster = state.clusters[id]!;
    const apiPath = `/${rest.join("/")}`;
    const match = routerOf(cluster.era).find(method, apiPath);
    if (!match) throw new Error(`no route for ${method} ${apiPath}`);
    return performCall(world, {
      cluster,
      node: Object.keys(cluster.nodes)[0]!,
      method,
      path: apiPath,
      route: match.route,
      pathVariables: match.pathVariables,
      parameters: params,
      user: { authid: as, userid: as.split("!")[0]!, isToken: as.includes("!"), isRoot: as === root },
    });
  };

  const settle = () => new Promise((resolve) => setImmediate(resolve));

  const call: Rig["call"] = async (method, path, params = {}, as = root) => {
    let settled = false;
    const pending = request(method, path, params, as).finally(() => {
      settled = true;
    });
    pending.catch(() => undefined); // awaited below
    await settle();
    while (!settled && (await world.clock.advanceToNextTimer())) await settle();
    return (await pending).data;
  };

  const find = (upid: string) =>
    Object.values(state.clusters)
      .map((cluster) => cluster.tasks[upid])
      .find((found) => found !== undefined)!;
  const task = (upid: string): FinishedTask => ({ upid, exitStatus: find(upid).exitStatus, log: find(upid).log });

  const finish = async (upid: string) => {
    await settle();
    while (world.tasks.isRunning(upid)) {
      if (!(await world.clock.advanceToNextTimer())) throw new Error(`${upid} waits for nothing`);
      await settle();
    }
    return task(upid);
  };

  const begin: Rig["begin"] = async (method, path, params, as) => {
    const upid = await call(method, path, params, as);
    if (typeof upid !== "string" || !upid.startsWith("UPID:")) throw new Error(`${method} ${path} started no worker: ${String(upid)}`);
    return upid;
  };

  return {
    world,
    cluster: (id) => state.clusters[id]!,
    call,
    begin,
    run: async (method, path, params, as) => finish(await begin(method, path, params, as)),
    finish,
    task,
    guest: (cluster, vmid) => state.clusters[cluster]!.guests[vmid],
    volume: (cluster, node, volid) => getVolume({ world, cluster: state.clusters[cluster]!, node }, volid).volume,
    write: (cluster, node, volid, first, count, seed = "w") => {
      const { volume } = getVolume({ world, cluster: state.clusters[cluster]!, node }, volid);
      const indexes = Array.from({ length: count }, (_, index) => first + index);
      writeBlocks(
        volume,
        indexes,
        indexes.map((index) => `${seed}-${volid}-${index}`),
      );
    },
  };
}

/** Moves time on in small steps until the condition holds. */
export async function until(rig: Rig, condition: () => boolean): Promise<void> {
  for (let step = 0; step < 100_000; step += 1) {
    if (condition()) return;
    if (!(await rig.world.clock.advanceToNextTimer())) throw new Error("nothing more happens");
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("condition never held");
}
