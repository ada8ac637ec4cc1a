/**
 * One virtual time for a simulator and the provider process that talks to it. It moves only when both have nothing left to
 * do but wait, and then straight to the next moment at which something happens: hours take milliseconds, and the same
 * program makes the same calls at the same times.
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as realDelay, setImmediate as turn } from "node:timers/promises";
import type { SimulatorWorld } from "../../../src/simulator";

/** Longer than that a process is not busy with files and handshakes. */
const stuckAfterRealMs = 120_000;
const pauseRealMs = 1;

interface Answer {
  /** Requests to the simulator that have no answer yet. */
  requests: number;
  /** When the next timer of the product fires. */
  nextMs?: number;
}

/** The clock of one process. */
class ProcessClock {
  private nextPing = 1;
  private waiting: { id: number; resolve: (answer: Answer) => void } | undefined;
  private gone = false;

  constructor(private readonly socket: Socket) {
    socket.on("error", () => this.leave());
    socket.on("close", () => this.leave());
  }

  get isGone(): boolean {
    return this.gone;
  }

  tell(nowMs: number): void {
    if (!this.gone) this.socket.write(`${JSON.stringify({ now: nowMs })}\n`);
  }

  /** How it stands when it has nothing left to do; undefined: it is gone. */
  async ask(): Promise<Answer | undefined> {
    if (this.gone) return undefined;
    const id = this.nextPing++;
    return new Promise((resolve) => {
      this.waiting = { id, resolve };
      this.socket.write(`${JSON.stringify({ ping: id })}\n`);
      this.giveUp = () => resolve(undefined);
    });
  }

  answer(id: number, answer: Answer): void {
    if (this.waiting?.id === id) this.waiting.resolve(answer);
  }

  /** @returns false: it still waits for something, or is gone. */
  async renew(): Promise<boolean> {
    if (this.gone) return false;
    return new Promise((resolve) => {
      this.renewed = resolve;
      this.giveUp = () => resolve(false);
      this.socket.write(`${JSON.stringify({ life: true })}\n`);
    });
  }

  renewed: (done: boolean) => void = () => undefined;
  private giveUp: () => void = () => undefined;

  private leave(): void {
    this.gone = true;
    this.giveUp();
  }
}

export class SharedClock {
  /** Added to every wait of the product, for a task that never ends. */
  strideMs: () => number = () => 0;
  /** Times the clock moved on although the two sides did not agree on what is under way; 0 in a sound run. */
  forced = 0;
  private readonly processes = new Map<number, ProcessClock>();
  private readonly arrivals: (() => void)[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<SharedClock> {
    const server = createServer();
    const clock = new SharedClock(server);
    server.on("connection", (socket) => clock.take(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return clock;
  }

  /** For a provider process that is to live in this time, from `nowMs` on. */
  environment(nowMs: number): Record<string, string> {
    const address = this.server.address();
    if (typeof address !== "object" || address === null) throw new Error("The clock does not listen.");
    return {
      NODE_OPTIONS: `--require ${join(__dirname, "preload.cjs")}`,
      SHARED_CLOCK_PORT: String(address.port),
      SHARED_CLOCK_NOW_MS: String(nowMs),
    };
  }

  /** Runs `work`, which calls the process, and moves the time of both on whenever nothing else can happen. */
  async drive<T>(pid: number, world: SimulatorWorld, work: () => Promise<T>): Promise<T> {
    const process = await this.processOf(pid);
    process.tell(world.clock.nowMs());
    await process.ask();
    let over = false;
    const result = work().finally(() => {
      over = true;
    });
    await Promise.all([result.catch(() => undefined), this.moveOn(process, world, () => over)]);
    return result;
  }

  /**
   * Makes the process forget all that the product loaded and knew, and what time it was, which is sooner done than starting
   * another one. @returns false: it must not be used again.
   */
  async renew(pid: number): Promise<boolean> {
    return (await this.processes.get(pid)?.renew()) ?? false;
  }

  stop(): void {
    this.server.close();
  }

  private async moveOn(process: ProcessClock, world: SimulatorWorld, isOver: () => boolean): Promise<void> {
    let quietSinceMs = performance.now();
    while (!isOver()) {
      const answer = await process.ask();
      // A process that is gone needs no time; whoever called it hears of that.
      if (!answer) return;
      await turn();
      await turn();
      const agreed = answer.requests === world.requestsInProgress;
      const stuck = performance.now() - quietSinceMs > stuckAfterRealMs;
      const waits = answer.requests > 0 || answer.nextMs !== undefined;
      if (!waits || !(agreed || stuck)) {
        await realDelay(pauseRealMs);
        continue;
      }
      if (!agreed) this.forced++;
      await this.step(process, world, answer);
      quietSinceMs = performance.now();
    }
  }

  /** To the next moment at which something happens on one of the sides. */
  private async step(process: ProcessClock, world: SimulatorWorld, { requests, nextMs }: Answer): Promise<void> {
    const before = world.requestsInProgress;
    const strideMs = requests === 0 ? this.strideMs() : 0;
    const untilMs = nextMs === undefined ? undefined : nextMs + strideMs;
    // What only the simulator waits for concerns the process no sooner than an answer comes out of it.
    while (world.requestsInProgress === before) {
      const simulatedMs = world.clock.nextTimerMs;
      if (simulatedMs === undefined || (untilMs !== undefined && simulatedMs > untilMs)) break;
      await world.clock.advance(Math.max(0, simulatedMs - world.clock.nowMs()));
    }
    if (world.requestsInProgress !== before || untilMs === undefined) return;
    await world.clock.advance(Math.max(0, untilMs - world.clock.nowMs()));
    if (world.requestsInProgress === before) process.tell(world.clock.nowMs());
  }

  private take(socket: Socket): void {
    socket.setNoDelay(true);
    const process = new ProcessClock(socket);
    const lines = createInterface({ input: socket });
    // It repeats the socket's own error, which is what a SIGKILL looks like from here.
    lines.on("error", () => socket.destroy());
    lines.on("line", (line) => {
      const message = JSON.parse(line) as { pid?: number; pong?: number; renewed?: boolean } & Answer;
      if (message.pid !== undefined) this.processes.set(message.pid, process);
      if (message.pong !== undefined) process.answer(message.pong, message);
      if (message.renewed !== undefined) process.renewed(message.renewed);
      for (const wake of this.arrivals.splice(0)) wake();
    });
  }

  private async processOf(pid: number): Promise<ProcessClock> {
    for (;;) {
      const found = this.processes.get(pid);
      if (found) return found;
      await new Promise<void>((resolve) => this.arrivals.push(resolve));
    }
  }
}
