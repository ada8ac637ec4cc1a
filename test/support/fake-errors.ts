/** The errors the real client would have thrown, built from what Proxmox says. */
import {
  AlreadyExistsError,
  CancelledError,
  ConnectionError,
  LockedError,
  NotFoundError,
  OutcomeUnknownError,
  ParameterError,
  RefusedError,
} from "../../src/proxmox";
import type { CallContext, MissingThing } from "../../src/proxmox/errors";

/** Stands for SIGKILL: nothing the process does afterwards reaches a cluster. */
export class ProcessKilled extends Error {}

const details = (context: CallContext, proxmoxMessage: string) => ({ summary: "Call failed", context, proxmoxMessage, status: 500 });

export function refused(context: CallContext, text: string): RefusedError {
  return new RefusedError(details(context, text));
}

export function notFound(context: CallContext, what: MissingThing, id: string | number): NotFoundError {
  return new NotFoundError({ ...details(context, `${what} ${id} does not exist`), what, id: String(id) });
}

export function alreadyExists(context: CallContext, text: string): AlreadyExistsError {
  return new AlreadyExistsError(details(context, text));
}

export function locked(context: CallContext, lock: string): LockedError {
  return new LockedError({ ...details(context, `VM is locked (${lock})`), lock, lockFile: false });
}

export function fileLocked(context: CallContext, vmid: number): LockedError {
  const text = `can't lock file '/var/lock/qemu-server/lock-${vmid}.conf' - got timeout`;
  return new LockedError({ ...details(context, text), lockFile: true });
}

export function badParameter(context: CallContext, errors: Record<string, string>): ParameterError {
  return new ParameterError({ ...details(context, "Parameter verification failed."), errors });
}

export function outcomeUnknown(context: CallContext): OutcomeUnknownError {
  return new OutcomeUnknownError(details(context, "the answer did not come back"));
}

export function offline(context: CallContext): ConnectionError {
  return new ConnectionError(details(context, "No route to host"));
}

export function cancelled(context: CallContext): CancelledError {
  return new CancelledError({ ...details(context, "cancelled"), outcomeUnknown: false });
}
