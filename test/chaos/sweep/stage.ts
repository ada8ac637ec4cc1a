/** One scenario's simulated federation, ready to begin again from the same state as often as wanted. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Simulator, startSimulator } from "../../../src/simulator";
import { loadSimulator, type SavedSimulator } from "../../../src/simulator/persistence";
import { EngineReplay } from "../../support/engine-replay";
import { ProviderProcess } from "../../support/provider-process";
import type { ResourceState } from "../../support/replay-model";
import type { SharedClock } from "../../support/shared-clock/shared-clock";
import { startSimulatedFederation } from "../../support/simulated-federation";
import { Administrator } from "./administrator";
import { grantBackupJobs, introduceBackupServers, sweptFederation } from "./federation";
import { watchLaws } from "./laws";
import type { Scenario } from "./scenarios";

const REPOSITORY = join(__dirname, "../../..");
/** Below what the system gives away itself, so that nobody takes them between two points. */
const FIRST_PORT = 20_000;
const LAST_PORT = 30_000;
const PORTS_PER_SIMULATOR = 20;
const START_MS = Date.UTC(2026, 0, 5, 12);
/** Processes that are started ahead: starting one takes longer than using it. */
const READY_PROCESSES = 2;
/** Operations for which a process is used, one after another, if it is not killed. */
const MAX_LIVES = 25;

/** One life of the federation, from the state before the disturbed operation on. */
export interface Scene {
  simulator: Simulator;
  administrator: Administrator;
  /** Broken laws. */
  violations: Set<string>;
  stack: EngineReplay;
  /** What the latest provider process has told the user. */
  told(): string[];
  /** SIGKILL for the provider process of the operation under way; resolves when it is gone. */
  kill(): Promise<void>;
  end(): Promise<void>;
}

export class Stage {
  private readonly ready: Promise<ProviderProcess>[] = [];
  private readonly lives = new WeakMap<ProviderProcess, number>();

  private constructor(
    readonly scenario: Scenario,
    private readonly clock: SharedClock,
    private readonly saved: SavedSimulator,
    private readonly resources: ResourceState[],
    private readonly env: Record<string, string>,
    private readonly portBase: number,
    private readonly directory: string,
  ) {}

  /** Builds the federation, brings the stack to where the scenario begins, and keeps that. */
  static async build(scenario: Scenario, clock: SharedClock): Promise<Stage> {
    const text = await sweptFederation(scenario.store);
    const portBase = FIRST_PORT + Math.floor(Math.random() * ((LAST_PORT - FIRST_PORT) / PORTS_PER_SIMULATOR)) * PORTS_PER_SIMULATOR;
    const stateDir = await mkdtemp(join(tmpdir(), "sweep-"));
    const federation = await startSimulatedFederation({ text, timeScale: 0, simulator: { stateDir, portBase, startMs: START_MS } });
    const { simulator, directory, file } = federation;
    try {
      const env = { ...federation.env, ...clock.environment(START_MS) };
      const scene = sceneOf(
        simulator,
        clock,
        {
          start: () => ProviderProcess.start({ cwd: REPOSITORY, env }),
          end: (process) => process.stop(),
        },
        [],
        async () => undefined,
      );
      await scene.administrator.addBystanders();
      introduceBackupServers(simulator);
      if (scenario.store === "copies") grantBackupJobs(simulator);
      if (scenario.before.length > 0) await scene.stack.up(scenario.before);
      fillDisks(simulator);
      if (scenario.edit) await writeFile(file, scenario.edit(await readFile(file, "utf8")));
      const resources = [...scene.stack.state.resources];
      await simulator.stop();
      const saved = await loadSimulator(stateDir);
      if (!saved) throw new Error(`The simulator left nothing in ${stateDir}.`);
      return new Stage(scenario, clock, saved, resources, env, portBase, directory);
    } catch (error) {
      await federation.stop();
      throw error;
    } finally {
      await rm(stateDir, { recursive: true, force: true });
    }
  }

  async begin(): Promise<Scene> {
    const resume = structuredClone(this.saved);
    const simulator = await startSimulator({ layout: { clusters: [], backends: [] }, resume, portBase: this.portBase, timeScale: 0 });
    return sceneOf(
      simulator,
      this.clock,
      { start: () => this.takeProcess(), end: (process) => this.giveBack(process) },
      this.resources,
      () => simulator.stop(),
    );
  }

  async end(): Promise<void> {
    for (const process of this.ready.splice(0)) await (await process).stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  private takeProcess(): Promise<ProviderProcess> {
    while (this.ready.length <= READY_PROCESSES) {
      const process = ProviderProcess.start({ cwd: REPOSITORY, env: this.env });
      // Whoever takes it hears of its failure.
      process.catch(() => undefined);
      this.ready.push(process);
    }
    return this.ready.shift()!;
  }

  /** One that was not killed is used again, with the product loaded anew. */
  private async giveBack(process: ProviderProcess): Promise<void> {
    const lives = (this.lives.get(process) ?? 0) + 1;
    this.lives.set(process, lives);
    if (process.isGone || lives >= MAX_LIVES || !(await this.clock.renew(process.pid))) return process.stop();
    this.ready.unshift(Promise.resolve(process));
  }
}

/** Every disk of ours holds something that must not get lost. */
function fillDisks({ world }: Simulator): void {
  for (const { kind, volumes } of Object.values(world.state.backends)) {
    if (kind === "pbs") continue;
    for (const [name, volume] of Object.entries(volumes)) {
      if (volume.content !== "images" || Object.keys(volume.blocks).length > 0) continue;
      volume.blocks = Object.fromEntries(
        Array.from({ length: 5 }, (_, index) => [index * 7, Buffer.from(`${name}${index}`).toString("hex").slice(-16)]),
      );
    }
  }
}

function sceneOf(
  simulator: Simulator,
  clock: SharedClock,
  provider: { start: () => Promise<ProviderProcess>; end: (process: ProviderProcess) => Promise<void> },
  resources: ResourceState[],
  end: () => Promise<void>,
): Scene {
  const violations = new Set<string>();
  watchLaws(simulator, violations);
  let current: ProviderProcess | undefined;
  const stack = new EngineReplay({
    cwd: REPOSITORY,
    startProvider: async () => {
      current = await provider.start();
      current.clear();
      return current;
    },
    endProvider: provider.end,
    during: ({ pid }, work) => clock.drive(pid, simulator.world, work),
  });
  stack.state.resources.push(...resources);
  return {
    simulator,
    administrator: new Administrator(simulator.world),
    violations,
    stack,
    told: () => current?.log.map(({ message }) => message) ?? [],
    kill: async () => {
      current?.kill();
      await current?.untilGone();
    },
    end,
  };
}
