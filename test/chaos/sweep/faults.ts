/** What can go wrong at one API call, and how the simulator is made to do it. */
import type { FaultAction } from "../../../src/simulator";

/** A call of the undisturbed run. */
export interface SweptCall {
  /** From 1 on, in the order of the undisturbed run. */
  index: number;
  /** `cluster METHOD path`, with what differs from run to run left out. */
  key: string;
  /** Which one of those with this key, from 1 on. */
  nth: number;
  cluster: string;
  /** The node it is about. */
  node?: string;
  vmid?: string;
  startsTask: boolean;
}

export const FAULTS = [
  "kill-before",
  "kill-after",
  "reset-after-commit",
  "595",
  "596",
  "599",
  "lock-timeout",
  "task-fails",
  "task-hangs",
  "node-down",
  "cluster-down",
  "expired-ticket",
] as const;
export type FaultName = (typeof FAULTS)[number];

/** Faults of a worker need a call that starts one, and a node that goes down one that is named. */
export function applies(fault: FaultName, call: SweptCall): boolean {
  if (fault === "task-fails" || fault === "task-hangs") return call.startsTask;
  return fault !== "node-down" || call.node !== undefined;
}

/** What the simulator answers; what it does beside that is the scene's work. */
export function actionOf(fault: FaultName, call: SweptCall): FaultAction | undefined {
  switch (fault) {
    case "kill-before":
    case "node-down":
    case "cluster-down":
      return { kind: "reset-before" };
    case "kill-after":
      return undefined;
    case "reset-after-commit":
      return { kind: "reset-after-commit" };
    case "595":
      return { kind: "status", code: 595, reason: "No route to host" };
    case "596":
      return { kind: "status", code: 596, reason: "Connection timed out" };
    case "599":
      return { kind: "status", code: 599, reason: "Too many redirections" };
    case "lock-timeout":
      return { kind: "status", code: 500, reason: lockTimeout(call.vmid) };
    case "task-fails":
      return { kind: "task-fails", exitStatus: "failed by the sweep" };
    case "task-hangs":
      return { kind: "task-hangs" };
    case "expired-ticket":
      return { kind: "expire-ticket" };
  }
}

function lockTimeout(vmid: string | undefined): string {
  if (vmid === undefined) return "error during cfs-locked 'file-user_cfg' operation: got lock request timeout";
  return `can't lock file '/var/lock/qemu-server/lock-${vmid}.conf' - got timeout`;
}

/** `scenario:index:fault`, what `--only` takes. */
export function pointName(scenario: string, call: SweptCall, fault: FaultName): string {
  return `${scenario}:${call.index}:${fault}`;
}
