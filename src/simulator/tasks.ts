/** Workers: what a call starts in the background, with its UPID, log and exit status. */
import type { Bandwidth } from "./bandwidth";
import { type Execution, runAs } from "./execution";
import { ApiError, type Clock, type TaskContext, TaskInterrupted } from "./kernel";
import type { LockTable } from "./locks";
import type { TaskState } from "./state";
import { recordTraffic } from "./traffic";
import { formatUpid, type Upid } from "./upid";

/** Finished tasks a cluster remembers. */
const rememberedTasks = 2_000;

/** What an injected fault does to the worker a call starts. */
export type TaskFault = { kind: "fails"; exitStatus: string; when: "before" | "after" } | { kind: "hangs" };

/** Whose workers they are: a cluster or a backup server. */
export interface TaskOwner {
  id: string;
  tasks: Record<string, TaskState>;
  nextPid: number;
}

export interface TaskSpec {
  type: string;
  id: string;
  node: string;
  user: string;
  fault?: TaskFault;
  /** What the call has done ahead for its worker; a worker that fails or is stopped before its work takes it back, a killed one does not. */
  takeBack?: (task: TaskContext) => void;
  /** Default: as Proxmox VE writes it. */
  formatUpid?: (upid: Upid) => string;
  /** In front of every log line. */
  linePrefix?: () => string;
}

interface RunningTask {
  state: TaskState;
  cluster: TaskOwner;
  linePrefix: () => string;
  execution: Execution;
  interrupt: AbortController;
  killed: boolean;
  ended: Promise<void>;
}

export interface TaskServices {
  clock: Clock;
  locks: LockTable;
  bandwidth: Bandwidth;
  event(kind: string, detail: Record<string, unknown>): void;
  touch(): void;
}

export class TaskRunner {
  private readonly running = new Map<string, RunningTask>();

  constructor(private readonly services: TaskServices) {}

  /** Forks the worker and returns its UPID; `work` starts after the caller has gone on. */
  start(cluster: TaskOwner, spec: TaskSpec, work: (task: TaskContext) => Promise<void>): string {
    const nowMs = this.services.clock.nowMs();
    const upid = (spec.formatUpid ?? formatUpid)({
      node: spec.node,
      pid: cluster.nextPid++,
      pstart: Math.floor(nowMs / 10) % 0x1_0000_0000,
      startSeconds: Math.floor(nowMs / 1000),
      type: spec.type,
      id: spec.id,
      user: spec.user,
    });
    const state: TaskState = { upid, node: spec.node, type: spec.type, id: spec.id, user: spec.user, startMs: nowMs, log: [] };
    cluster.tasks[upid] = state;
    forgetOldTasks(cluster);
    const interrupt = new AbortController();
    const task: RunningTask = {
      state,
      cluster,
      linePrefix: spec.linePrefix ?? (() => ""),
      interrupt,
      killed: false,
      ended: Promise.resolve(),
      execution: { held: new Map() },
    };
    task.execution.task = {
      log: (line) => this.log(task, line),
      amendLog: (text) => {
        if (!task.killed && state.log.length > 0) state.log[state.log.length - 1] += text;
      },
      signal: interrupt.signal,
    };
    this.running.set(upid, task);
    this.services.event("task-started", { cluster: cluster.id, upid });
    task.ended = runAs(task.execution, () => this.run(task, spec, work));
    this.services.touch();
    return upid;
  }

  isRunning(upid: string): boolean {
    return this.running.has(upid);
  }

  /** UPIDs of a cluster's workers, oldest first. */
  listRunning(clusterId: string): string[] {
    return [...this.running.values()].filter((task) => task.cluster.id === clusterId).map((task) => task.state.upid);
  }

  /** SIGTERM: the worker cleans up and ends. Resolves when it has; a finished task is left alone. */
  async stop(upid: string): Promise<void> {
    const task = this.running.get(upid);
    if (!task) return;
    task.interrupt.abort(new TaskInterrupted("interrupted by signal"));
    await task.ended;
  }

  /** SIGKILL: nothing cleans up, the log just ends. */
  kill(upid: string): void {
    const task = this.running.get(upid);
    if (!task) return;
    task.killed = true;
    this.end(task, "unexpected status");
    task.interrupt.abort(new TaskInterrupted("killed"));
  }

  killAll(): void {
    for (const upid of [...this.running.keys()]) this.kill(upid);
  }

  private log(task: RunningTask, line: string): void {
    if (task.killed) return;
    task.state.log.push(task.linePrefix() + line);
    this.services.touch();
  }

  private async run(task: RunningTask, { fault, takeBack }: TaskSpec, work: (task: TaskContext) => Promise<void>): Promise<void> {
    // The caller's answer (the UPID) comes first; the worker is a process of its own.
    await Promise.resolve();
    let warnings = 0;
    let isBegun = false;
    const signal = task.interrupt.signal;
    const { clock, bandwidth } = this.services;
    const context: TaskContext = {
      upid: task.state.upid,
      log: (line) => this.log(task, line),
      warn: (line) => {
        warnings += 1;
        this.log(task, `WARN: ${line}`);
      },
      pass: (virtualMs) => clock.sleep(virtualMs, signal),
      transfer: (bytes, through, limitBytesPerSecond, onProgress, kind = "copy", stop = signal) => {
        const onEnd = (doneBytes: number) => recordTraffic(task.state, { kind, through, bytes: doneBytes });
        return bandwidth.transfer({ bytes, through, limitBytesPerSecond, onProgress, onEnd, signal: AbortSignal.any([signal, stop]) });
      },
      get killed() {
        return task.killed;
      },
    };
    try {
      if (fault?.kind === "hangs") await untilAborted(signal);
      if (fault?.kind === "fails" && fault.when === "before") throw new Error(fault.exitStatus);
      isBegun = true;
      await work(context);
      if (fault?.kind === "fails") throw new Error(fault.exitStatus);
      if (task.killed) return;
      this.log(task, warnings > 0 ? `TASK WARNINGS: ${warnings}` : "TASK OK");
      this.end(task, warnings > 0 ? `WARNINGS: ${warnings}` : "OK");
    } catch (error) {
      if (task.killed) return;
      if (!isBegun) takeBack?.(context);
      const text = taskErrorText(error);
      this.log(task, `TASK ERROR: ${text}`);
      this.end(task, text);
    }
  }

  private end(task: RunningTask, exitStatus: string): void {
    task.state.endMs = this.services.clock.nowMs();
    task.state.exitStatus = exitStatus;
    this.running.delete(task.state.upid);
    this.services.locks.releaseAll(task.execution);
    this.services.event("task-ended", { cluster: task.cluster.id, upid: task.state.upid, exitStatus });
    this.services.touch();
  }
}

/** Workers of a simulator that was stopped are gone: their tasks show what a killed worker leaves. */
export function endOrphanedTasks(cluster: TaskOwner, nowMs: number): void {
  for (const task of Object.values(cluster.tasks)) {
    if (task.endMs !== undefined) continue;
    task.endMs = nowMs;
    task.exitStatus = "unexpected status";
  }
}

/** The text of an error as a worker reports it: one line, a status other than 500 in front. */
export function taskErrorText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const details = error instanceof ApiError && error.errors ? Object.entries(error.errors).map(([key, text]) => `${key}: ${text}`) : [];
  const status = error instanceof ApiError && error.status !== 500 ? `${error.status} ` : "";
  return [status + message, ...details].join("\n").trimEnd().replaceAll("\n", " ");
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function forgetOldTasks(cluster: TaskOwner): void {
  const upids = Object.keys(cluster.tasks);
  if (upids.length <= rememberedTasks) return;
  const finished = upids.filter((upid) => cluster.tasks[upid]?.endMs !== undefined);
  for (const upid of finished.slice(0, upids.length - rememberedTasks)) delete cluster.tasks[upid];
}
