/**
 * What fake clusters share: a clock that only moves when somebody waits, numbered calls with a fault for any of them,
 * tasks that go on without their caller, and the laws no moment may break.
 */
import type { TaskResult, TaskStatus, Upid } from "../../src/proxmox";
import { formatUpid } from "../../src/proxmox";
import type { CallContext } from "../../src/proxmox/errors";
import { taskFailed } from "../../src/proxmox/task-exit";
import { offline, outcomeUnknown, ProcessKilled, refused } from "./fake-errors";

/**
 * `kill`: the process dies before the call, `kill-after`: with the answer on its way. `refuse`, `offline`: nothing is
 * done. `lose-reply`: done, but the answer is lost. `fail-task`: the started task fails; `kill-task`: its worker is killed.
 */
export type Fault = "kill" | "kill-after" | "refuse" | "offline" | "lose-reply" | "fail-task" | "kill-task";

/**
 * Whether a fault at that call leads to anything new: reads change nothing, so a process killed there leaves what the
 * write before has left; only a task goes on while it is waited for.
 */
export function matters(call: CallRecord, fault: Fault): boolean {
  if (fault === "refuse" || fault === "offline") return true;
  return call.write || ((fault === "kill" || fault === "kill-after") && call.name === "tasks.wait");
}

export interface CallRecord {
  /** 1 is the first call. */
  index: number;
  cluster: string;
  /** As in ProxmoxApi: `qemu.updateConfig`. */
  name: string;
  write: boolean;
  vmid?: number;
}

export interface TaskPlan {
  cluster: string;
  node: string;
  type: string;
  id: string;
  durationMs: number;
  /** Part of the way, as a fraction, and what happens there. */
  steps?: { at: number; run: () => void }[];
  /** The effect; an error's message is the exit status. */
  finish: () => void;
  /** What a failure, a stop or a killed worker leaves. */
  undo?: (how: "failed" | "stopped" | "killed") => void;
}

interface FakeTask extends TaskPlan {
  upid: Upid;
  startMs: number;
  endMs: number;
  done: boolean;
  exitStatus?: string;
  forced?: "fail-task" | "kill-task";
}

export class FakeWorld {
  nowMs = Date.UTC(2026, 0, 1);
  readonly calls: CallRecord[] = [];
  /** Asked once per call. */
  fault: (call: CallRecord) => Fault | undefined = () => undefined;
  /** Laws that were broken, each once. */
  readonly violations = new Set<string>();
  readonly reports: string[] = [];
  readonly progress: string[] = [];
  private readonly laws: (() => string[])[] = [];
  private readonly tasks: FakeTask[] = [];
  /** Those of them that still run. */
  private readonly active = new Set<FakeTask>();
  private killed = false;
  private nextPid = 1;

  addLaw(law: () => string[]): void {
    this.laws.push(law);
  }

  /** The clock, waiting and progress of the code under test. */
  readonly pace = {
    nowMs: () => this.nowMs,
    sleep: async (ms: number) => {
      await Promise.resolve();
      if (this.killed) throw new ProcessKilled("killed while waiting");
      this.advance(ms);
    },
    report: (message: string) => {
      this.reports.push(message);
    },
    progress: (message: string) => {
      this.progress.push(message);
    },
  };

  get isKilled(): boolean {
    return this.killed;
  }

  /** A new process after a kill; `afterMs` later. */
  revive(afterMs: number): void {
    this.killed = false;
    this.advance(afterMs);
  }

  async call<T>(record: Omit<CallRecord, "index">, context: CallContext, effect: () => T): Promise<T> {
    await Promise.resolve();
    if (this.killed) throw new ProcessKilled(`killed before ${record.name}`);
    const call = { ...record, index: this.calls.length + 1 };
    this.calls.push(call);
    this.advance(10);
    const fault = this.fault(call);
    if (fault === "kill") this.killed = true;
    if (fault === "kill") throw new ProcessKilled(`killed before ${record.name}`);
    if (fault === "refuse") throw refused(context, "refused by the test");
    if (fault === "offline") throw offline(context);
    const known = this.tasks.length;
    try {
      return effect();
    } finally {
      for (const task of this.tasks.slice(known)) if (fault === "fail-task" || fault === "kill-task") task.forced = fault;
      if (call.write) this.checkLaws();
      this.loseAnswer(fault, call, context);
    }
  }

  /** Whatever the answer would have been. */
  private loseAnswer(fault: Fault | undefined, call: CallRecord, context: CallContext): void {
    if (fault === "kill-after") this.killed = true;
    if (fault === "kill-after") throw new ProcessKilled(`killed after ${call.name}`);
    if (fault === "lose-reply") throw call.write ? outcomeUnknown(context) : offline(context);
  }

  start(plan: TaskPlan): Upid {
    const pid = this.nextPid++;
    const startTimeSeconds = Math.floor(this.nowMs / 1000);
    const upid = formatUpid({ node: plan.node, pid, pstart: pid, startTimeSeconds, type: plan.type, id: plan.id, user: "ci@pve!test" });
    const task = { ...plan, upid, startMs: this.nowMs, endMs: this.nowMs + plan.durationMs, done: false };
    this.tasks.push(task);
    this.active.add(task);
    return upid;
  }

  /** A task that is still under way for that guest. */
  activeTask(cluster: string, vmid: number, types: readonly string[]): string | undefined {
    return this.tasks.find((task) => !task.done && task.cluster === cluster && task.id === String(vmid) && types.includes(task.type))?.type;
  }

  listTasks(cluster: string, node: string): TaskStatus[] {
    return this.tasks.filter((task) => task.cluster === cluster && task.node === node).map(statusOf);
  }

  taskStatus(upid: Upid): TaskStatus {
    return statusOf(this.getTask(upid));
  }

  stopTask(upid: Upid): void {
    const task = this.getTask(upid);
    if (task.done) return;
    this.end(task, "interrupted by signal");
    task.undo?.("stopped");
  }

  /** Lets the time pass until the task has ended. */
  awaitTask(upid: Upid, context: CallContext): TaskResult {
    const task = this.getTask(upid);
    if (!task.done) this.advance(task.endMs - this.nowMs);
    if (task.exitStatus === "OK") return { upid, warnings: 0, log: ["progress 50%", "TASK OK"] };
    throw taskFailed(upid, task.exitStatus ?? "", [`TASK ERROR: ${task.exitStatus}`], context, undefined);
  }

  /** Lets all that is due happen, in its order. */
  advance(ms: number): void {
    const untilMs = this.nowMs + Math.max(0, ms);
    for (;;) {
      const due = this.nextEvent(untilMs);
      if (!due) break;
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.run();
      this.checkLaws();
    }
    this.nowMs = untilMs;
  }

  private nextEvent(untilMs: number): { atMs: number; run: () => void } | undefined {
    let next: { atMs: number; run: () => void } | undefined;
    for (const task of this.active) {
      const step = task.steps?.[0];
      const atMs = step ? task.startMs + step.at * task.durationMs : task.endMs;
      // Of two at once the one that was started first.
      if (atMs <= untilMs && (next === undefined || atMs < next.atMs))
        next = { atMs, run: step ? () => this.runStep(task, step) : () => this.finish(task) };
    }
    return next;
  }

  private runStep(task: FakeTask, step: { run: () => void }): void {
    task.steps = task.steps?.slice(1);
    this.attempt(task, step.run);
  }

  private finish(task: FakeTask): void {
    if (task.forced === "kill-task") {
      this.end(task, "unexpected status");
      task.undo?.("killed");
      return;
    }
    this.attempt(task, () => {
      if (task.forced === "fail-task") throw new Error("failed by the test");
      task.finish();
      this.end(task, "OK");
    });
  }

  private attempt(task: FakeTask, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.end(task, error instanceof Error ? error.message : String(error));
      task.undo?.("failed");
    }
  }

  private end(task: FakeTask, exitStatus: string): void {
    task.done = true;
    this.active.delete(task);
    task.exitStatus = exitStatus;
  }

  private getTask(upid: Upid): FakeTask {
    const task = this.tasks.find((candidate) => candidate.upid === upid);
    if (!task) throw new Error(`no such task ${upid}`);
    return task;
  }

  private checkLaws(): void {
    for (const law of this.laws) for (const violation of law()) this.violations.add(violation);
  }
}

function statusOf(task: FakeTask): TaskStatus {
  return {
    upid: task.upid,
    node: task.node,
    type: task.type,
    id: task.id,
    user: "ci@pve!test",
    status: task.done ? "stopped" : "running",
    ...(task.exitStatus === undefined ? {} : { exitStatus: task.exitStatus }),
    startTimeSeconds: Math.floor(task.startMs / 1000),
  };
}
