/**
 * Who is running: one API call or one worker. Locks are re-entrant for the same execution, as
 * Proxmox's are for the same process, and a worker's lock messages belong in its own log.
 */
import { AsyncLocalStorage } from "node:async_hooks";

export interface Execution {
  /** Present for a worker. */
  task?: {
    log(line: string): void;
    /** Adds to the end of the last line, as a worker that prints without a line feed does. */
    amendLog(text: string): void;
    /** Aborted when the worker is stopped or killed. */
    signal: AbortSignal;
  };
  /** Locks held by this execution: lock name → how often. */
  readonly held: Map<string, number>;
}

const current = new AsyncLocalStorage<Execution>();

/** Runs `work` as an execution of its own. */
export function runAs<T>(execution: Execution, work: () => T): T {
  return current.run(execution, work);
}

/** The execution this code belongs to; code outside of any call or worker gets a fresh one. */
export function currentExecution(): Execution {
  return current.getStore() ?? { held: new Map() };
}
