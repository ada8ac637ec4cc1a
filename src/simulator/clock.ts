/**
 * Virtual time. It runs `timeScale` times as fast as the wall clock (0: it stands still) and can be
 * moved on by hand. Timers fire one after the other, ordered by due time and then by creation, and
 * the work a timer releases runs before the next timer fires: the same calls give the same order.
 */
import type { Clock } from "./kernel";

export interface VirtualClockOptions {
  /** Virtual ms since the epoch at the start. */
  startMs: number;
  /** Virtual ms per real ms; default 1. */
  timeScale?: number;
  /** Wall clock in ms, monotonic; injected by tests. */
  realNowMs?: () => number;
}

interface Timer {
  dueMs: number;
  sequence: number;
  /** Periodic housekeeping, which `advanceToNextTimer` does not wait for. */
  background: boolean;
  fire: () => void;
}

/** setTimeout takes a signed 32-bit delay. */
const longestRealDelayMs = 2 ** 31 - 1;

export class VirtualClock implements Clock {
  private readonly timers: Timer[] = [];
  private readonly realNowMs: () => number;
  private scale: number;
  private anchorVirtualMs: number;
  private anchorRealMs: number;
  private sequence = 0;
  private wake: NodeJS.Timeout | undefined;
  /** While a due timer fires, "now" is its due time: work in virtual time does not see the wall clock's jitter. */
  private pinnedMs: number | undefined;
  private draining: Promise<void> | undefined;
  private stopped = false;

  constructor(options: VirtualClockOptions) {
    this.realNowMs = options.realNowMs ?? (() => performance.now());
    this.scale = options.timeScale ?? 1;
    this.anchorVirtualMs = options.startMs;
    this.anchorRealMs = this.realNowMs();
  }

  nowMs(): number {
    return Math.floor(this.exactNowMs());
  }

  get timeScale(): number {
    return this.scale;
  }

  set timeScale(scale: number) {
    if (!Number.isFinite(scale) || scale < 0) throw new RangeError(`timeScale must be a finite number of at least 0, got ${scale}`);
    this.anchorVirtualMs = this.exactNowMs();
    this.anchorRealMs = this.realNowMs();
    this.scale = scale;
    this.arm();
  }

  sleep(virtualMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = this.add(virtualMs, false, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = () => {
        this.remove(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Calls `work` every `periodMs` of virtual time until the returned function is called. */
  every(periodMs: number, work: () => void): () => void {
    let timer: Timer;
    const next = () => {
      timer = this.add(periodMs, true, () => {
        work();
        next();
      });
    };
    next();
    return () => this.remove(timer);
  }

  /** Moves time on by `virtualMs` and resolves when everything due on the way has run. */
  async advance(virtualMs: number): Promise<void> {
    if (!Number.isFinite(virtualMs) || virtualMs < 0) throw new RangeError(`cannot advance by ${virtualMs} ms`);
    const targetMs = this.exactNowMs() + virtualMs;
    // Work that was just started sets its timers first.
    await untilIdle();
    await this.fireUntil(targetMs);
    this.moveTo(targetMs);
    this.arm();
  }

  /** When the next timer fires that somebody waits for, in virtual ms. */
  get nextTimerMs(): number | undefined {
    return this.timers.find((timer) => !timer.background)?.dueMs;
  }

  /** Moves time on to the next timer somebody waits for; false when nobody waits. */
  async advanceToNextTimer(): Promise<boolean> {
    await untilIdle();
    const next = this.timers.find((timer) => !timer.background);
    if (!next) return false;
    await this.advance(Math.max(0, next.dueMs - this.exactNowMs()));
    return true;
  }

  /** No timer fires any more; nothing keeps the process alive. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.wake);
    this.timers.length = 0;
  }

  private exactNowMs(): number {
    return this.pinnedMs ?? this.flowingNowMs();
  }

  /** What the wall clock has made of the time, whatever is firing. */
  private flowingNowMs(): number {
    return this.anchorVirtualMs + (this.realNowMs() - this.anchorRealMs) * this.scale;
  }

  private moveTo(virtualMs: number): void {
    if (virtualMs <= this.exactNowMs()) return;
    this.anchorVirtualMs = virtualMs;
    this.anchorRealMs = this.realNowMs();
  }

  private add(delayMs: number, background: boolean, fire: () => void): Timer {
    const timer: Timer = { dueMs: this.exactNowMs() + Math.max(0, delayMs), sequence: this.sequence++, background, fire };
    if (this.stopped) return timer;
    const index = this.timers.findIndex((other) => other.dueMs > timer.dueMs);
    this.timers.splice(index < 0 ? this.timers.length : index, 0, timer);
    this.arm();
    return timer;
  }

  private remove(timer: Timer): void {
    const index = this.timers.indexOf(timer);
    if (index >= 0) this.timers.splice(index, 1);
    this.arm();
  }

  private arm(): void {
    clearTimeout(this.wake);
    const next = this.timers[0];
    if (!next || this.scale === 0 || this.stopped) return;
    const realDelayMs = Math.ceil((next.dueMs - this.exactNowMs()) / this.scale);
    this.wake = setTimeout(
      () => void this.fireUntil(this.exactNowMs(), () => this.flowingNowMs()).then(() => this.arm()),
      Math.min(longestRealDelayMs, Math.max(0, realDelayMs)),
    );
    this.wake.unref();
  }

  /**
   * Fires what is due up to `targetMs`; one drain at a time, so that order does not depend on who drains. `limitMs` is
   * asked before each timer: time that was slowed down or stopped meanwhile does not go on to the old target.
   */
  private async fireUntil(targetMs: number, limitMs = () => targetMs): Promise<void> {
    while (this.draining) await this.draining;
    this.draining = this.drain(() => Math.min(targetMs, limitMs()));
    try {
      await this.draining;
    } finally {
      this.draining = undefined;
    }
  }

  private async drain(targetMs: () => number): Promise<void> {
    for (let next = this.timers[0]; next && next.dueMs <= targetMs(); next = this.timers[0]) {
      this.timers.shift();
      this.moveTo(next.dueMs);
      this.pinnedMs = Math.max(next.dueMs, this.anchorVirtualMs);
      try {
        next.fire();
        await untilIdle();
      } finally {
        this.pinnedMs = undefined;
      }
    }
  }
}

/** One turn of the event loop: all promise reactions of the fired timer have run. */
function untilIdle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
