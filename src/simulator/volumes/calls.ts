/** What every operation on guests and volumes does with its call: typed parameters, errors, workers. */
import { ApiError, type Call, type ClusterState, type World } from "../kernel";
import { splitList } from "../parameters";

/** Ends the operation with `500 <message>`; inside a worker the message becomes its exit status. */
export function fail(message: string): never {
  throw new ApiError(500, message);
}

/** Ends the operation with `400 Parameter verification failed.` */
export function failParameter(errors: Record<string, string>): never {
  throw new ApiError(400, "Parameter verification failed.", errors);
}

export function textParameter(call: Call, key: string): string | undefined {
  const value = call.params[key];
  return value === undefined ? undefined : configText(value);
}

export function integerParameter(call: Call, key: string): number | undefined {
  const value = call.params[key];
  return value === undefined ? undefined : Number(value);
}

/** False when absent. */
export function flagParameter(call: Call, key: string): boolean {
  return call.params[key] === true;
}

export function listParameter(call: Call, key: string): string[] {
  const value = call.params[key];
  if (value === undefined) return [];
  return Array.isArray(value) ? value : splitList(String(value));
}

/** A verified value as Proxmox writes it into a file. */
export function configText(value: string | number | boolean | string[]): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  return Array.isArray(value) ? value.join(",") : String(value);
}

/** `skiplock` and its like: `400 Only root may use this option.` for everybody else, root's tokens included. */
export function requireRootFor(call: Call, ...keys: string[]): void {
  for (const key of keys) {
    if (call.params[key] !== undefined && !call.user.isRoot) failParameter({ [key]: "Only root may use this option." });
  }
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Where an operation happens: the node whose storages and guests it sees. */
export interface Place {
  world: World;
  cluster: ClusterState;
  node: string;
}

/** The node that carries out the call. */
export function placeOf(call: Call): Place {
  return { world: call.world, cluster: call.cluster, node: call.localNode };
}
