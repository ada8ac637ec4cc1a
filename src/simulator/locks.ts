/** Lock files: first come, first served, re-entrant within one execution, gone with their holder. */
import { currentExecution, type Execution } from "./execution";
import { type Clock, TaskInterrupted } from "./kernel";

/** How long Proxmox waits for a guest's config lock. */
const guestLockTimeoutMs = 10_000;
/** vzdump's `lockwait` default: 180 minutes. */
const nodeLockTimeoutMs = 180 * 60_000;

interface Lock {
  holder: Execution;
  waiting: { execution: Execution; grant: () => void }[];
}

export class LockTable {
  private readonly locks = new Map<string, Lock>();

  constructor(private readonly clock: Clock) {}

  /** Waits up to 10 s, then throws `can't lock file '…' - got timeout`. */
  holdGuestLock(clusterId: string, vmid: number): Promise<() => void> {
    return this.acquire(`${clusterId}:guest:${vmid}`, `/var/lock/qemu-server/lock-${vmid}.conf`, guestLockTimeoutMs, "lock");
  }

  /** `onWait` is called once when somebody else holds the lock. */
  holdNodeLock(clusterId: string, node: string, name: string, onWait: () => void): Promise<() => void> {
    return this.acquire(`${clusterId}:node:${node}:${name}`, `/var/run/${name}.lock`, nodeLockTimeoutMs, "acquire", onWait);
  }

  /** A process that is gone holds nothing. */
  releaseAll(execution: Execution): void {
    for (const name of [...execution.held.keys()]) {
      execution.held.set(name, 1);
      this.release(name, execution);
    }
  }

  private async acquire(name: string, file: string, timeoutMs: number, verb: string, onWait?: () => void): Promise<() => void> {
    const execution = currentExecution();
    const lock = this.locks.get(name);
    if (!lock) this.locks.set(name, { holder: execution, waiting: [] });
    else if (lock.holder !== execution)
      await this.wait(lock, execution, `can't ${verb} ${verb === "lock" ? "file" : "lock"} '${file}'`, timeoutMs, onWait);
    execution.held.set(name, (execution.held.get(name) ?? 0) + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.release(name, execution);
    };
  }

  private async wait(lock: Lock, execution: Execution, failure: string, timeoutMs: number, onWait?: () => void): Promise<void> {
    if (onWait) onWait();
    else execution.task?.log("trying to acquire lock...");
    const over = new AbortController();
    let granted = false;
    const waiter = { execution, grant: () => {} };
    const grant = new Promise<void>((resolve) => {
      waiter.grant = () => {
        granted = true;
        resolve();
      };
    });
    lock.waiting.push(waiter);
    const signal = execution.task ? AbortSignal.any([over.signal, execution.task.signal]) : over.signal;
    const timeout = this.clock.sleep(timeoutMs, signal).then(
      () => "timeout" as const,
      () => "aborted" as const,
    );
    const outcome = await Promise.race([grant.then(() => "granted" as const), timeout]);
    over.abort();
    if (granted) {
      if (!onWait) execution.task?.amendLog(" OK");
      return;
    }
    lock.waiting.splice(lock.waiting.indexOf(waiter), 1);
    if (outcome === "aborted") throw new TaskInterrupted(`${failure} - received interrupt`);
    throw new Error(`${failure} - got timeout`);
  }

  private release(name: string, execution: Execution): void {
    const count = execution.held.get(name) ?? 0;
    if (count > 1) {
      execution.held.set(name, count - 1);
      return;
    }
    execution.held.delete(name);
    const lock = this.locks.get(name);
    if (!lock || lock.holder !== execution) return;
    const next = lock.waiting.shift();
    if (!next) {
      this.locks.delete(name);
      return;
    }
    lock.holder = next.execution;
    next.grant();
  }
}
