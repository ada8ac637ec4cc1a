/** Disturbs one scenario at every API call with every fault, runs it again, and looks whether all is as it should be. */
import type { FederationState } from "../../../src/simulator";
import { OperationFailedError, type StackState } from "../../support/replay-model";
import type { SharedClock } from "../../support/shared-clock/shared-clock";
import { CallCounter, CallRecorder, keyOf } from "./calls";
import { actionOf, applies, FAULTS, type FaultName, pointName, type SweptCall } from "./faults";
import { type Expectation, flawsOf } from "./flaws";
import type { Scenario } from "./scenarios";
import { type Scene, Stage } from "./stage";
import { fingerprint, truthOf } from "./truth";

export interface Point {
  call: SweptCall;
  fault: FaultName;
}

export interface PointResult {
  point: string;
  call: string;
  fault: FaultName;
  /** Empty: all is well. */
  flaws: string[];
  /** What the disturbed operation said. */
  said: string;
  /** Commands of an administrator that were needed. */
  commands: string[];
  /** The operation was not run again: an earlier point had left the very same state, and came out well. */
  known: boolean;
}

/** How far time jumps with each look at a task that never ends. */
const STRIDE_MS = 10 * 60_000;
/** More runs than this after the disturbed one, each after a command of an administrator, are too many. */
const MAX_COMMANDS = 4;

export class Sweep {
  private readonly goodStates = new Set<string>();

  private constructor(
    readonly stage: Stage,
    private readonly clock: SharedClock,
    /** Of the undisturbed run. */
    readonly calls: readonly SweptCall[],
    private readonly expectation: Expectation,
  ) {}

  /** Runs the scenario undisturbed, twice: the second time there must be nothing to do. */
  static async prepare(scenario: Scenario, clock: SharedClock): Promise<Sweep> {
    const stage = await Stage.build(scenario, clock);
    const scene = await stage.begin();
    try {
      const { simulator, stack } = scene;
      const { world, faults } = simulator;
      const before = truthOf(world.state);
      const recorder = new CallRecorder();
      const [onCall, onDone] = [faults.onCall, faults.onDone];
      faults.onCall = (call) => void recorder.arrived(call);
      faults.onDone = (call, data) => {
        recorder.done(call, data);
        return onDone(call, data);
      };
      await stack.up(scenario.after);
      [faults.onCall, faults.onDone] = [onCall, onDone];
      const clean = truthOf(world.state);
      const cleanState = copyOf(stack.state);
      const steps = await stack.up(scenario.after);
      const busy = steps.filter(({ operation }) => operation !== "same").map(({ operation, name }) => `${operation} ${name}`);
      if (busy.length > 0) throw new Error(`${scenario.name}: a second run finds ${busy.join(", ")} to do.`);
      const sweep = new Sweep(stage, clock, recorder.calls, { before, clean, cleanState });
      const flaws = [...flawsOf(truthOf(world.state), stack.state, sweep.expectation), ...scene.violations];
      if (flaws.length > 0) throw new Error(`${scenario.name}, undisturbed: ${flaws.join("\n")}`);
      sweep.goodStates.add(fingerprint(world.state, stack.state));
      return sweep;
    } catch (error) {
      await stage.end();
      throw error;
    } finally {
      await scene.end();
    }
  }

  /** All points, call by call. */
  get points(): Point[] {
    return this.calls.flatMap((call) => FAULTS.filter((fault) => applies(fault, call)).map((fault) => ({ call, fault })));
  }

  async try({ call, fault }: Point): Promise<PointResult> {
    const { scenario } = this.stage;
    const result: PointResult = {
      point: pointName(scenario.name, call, fault),
      call: `${call.key} (the ${call.nth}. of these)`,
      fault,
      flaws: [],
      said: "",
      commands: [],
      known: false,
    };
    const scene = await this.stage.begin();
    try {
      const disturbance = disturb(scene, { call, fault }, this.clock);
      result.said = await attempt(scene, scenario);
      if (!disturbance.wasHit()) result.flaws.push("the call did not occur");
      await disturbance.end();
      await this.recover(scene, result);
    } finally {
      this.clock.strideMs = () => 0;
      await scene.end();
    }
    return result;
  }

  async end(): Promise<void> {
    await this.stage.end();
  }

  /** Runs the operation again, as often as an administrator has to do something in between. */
  private async recover(scene: Scene, result: PointResult): Promise<void> {
    const { world } = scene.simulator;
    const start = runningTasks(scene) === 0 ? fingerprint(world.state, scene.stack.state) : undefined;
    result.flaws.push(...scene.violations);
    if (start !== undefined && this.goodStates.has(start)) {
      result.known = true;
      return;
    }
    for (;;) {
      const said = await attempt(scene, this.stage.scenario);
      if (said === "") break;
      const commands = result.commands.length < MAX_COMMANDS ? scene.administrator.obey(said) : [];
      if (commands.length === 0) {
        result.flaws.push(`run again: ${said}`);
        return;
      }
      result.commands.push(...commands);
    }
    result.commands.push(...(await scene.administrator.removeWrecks(scene.told())));
    result.flaws.push(...flawsOf(truthOf(world.state), scene.stack.state, this.expectation), ...scene.violations);
    if (start !== undefined && result.flaws.length === 0) this.goodStates.add(start);
  }
}

/** One `up`. @returns why it failed; empty: it succeeded */
async function attempt({ stack }: Scene, { after }: Scenario): Promise<string> {
  try {
    await stack.up(after);
    return "";
  } catch (error) {
    if (error instanceof OperationFailedError) return error.message;
    throw error;
  }
}

/** Sets the trap. `end`: what an operator does before anybody runs it again. */
function disturb(scene: Scene, { call, fault }: Point, clock: SharedClock): { wasHit(): boolean; end(): Promise<void> } {
  const { simulator, administrator } = scene;
  const { faults, world } = simulator;
  const counter = new CallCounter();
  let hit: object | undefined;
  let hung: string | undefined;
  faults.onCall = (arrived) => {
    const key = keyOf(arrived);
    if (hit !== undefined || counter.count(key) !== call.nth || key !== call.key) return undefined;
    hit = arrived;
    if (fault === "kill-before") void scene.kill();
    if (fault === "node-down") administrator.powerOff(call.cluster, call.node!);
    if (fault === "cluster-down") setDown(world.state, call.cluster, true);
    if (fault === "node-down" || fault === "cluster-down") void simulator.applyStatus();
    return actionOf(fault, call);
  };
  const done = faults.onDone;
  faults.onDone = async (answered, data) => {
    await done(answered, data);
    if (answered !== hit) return;
    if (fault === "kill-after") await scene.kill();
    if (fault === "task-hangs" && typeof data === "string") hung = data;
  };
  // Only while nothing but the hung task is waited for: other waits keep their length.
  clock.strideMs = () => (hung !== undefined && world.tasks.isRunning(hung) && runningTasks(scene) === 1 ? STRIDE_MS : 0);
  return {
    wasHit: () => hit !== undefined,
    end: async () => {
      faults.onCall = () => undefined;
      faults.onDone = done;
      if (hung !== undefined) await world.tasks.stop(hung);
      if (fault === "cluster-down") setDown(world.state, call.cluster, false);
      if (fault === "node-down") await administrator.powerOn(call.cluster, call.node!);
      if (fault === "node-down" || fault === "cluster-down") await simulator.applyStatus();
      // Requests of a process that is gone do not concern the next one.
      while (world.requestsInProgress > 0 && (await world.clock.advanceToNextTimer()));
    },
  };
}

/** A cluster, or a backup server. */
function setDown({ clusters, backupServers }: FederationState, id: string, down: boolean): void {
  const found = clusters[id] ?? backupServers?.[id];
  if (!found) throw new Error(`There is neither a cluster nor a backup server ${id}.`);
  found.down = down;
}

function runningTasks({ simulator: { world } }: Scene): number {
  const owners = [...Object.keys(world.state.clusters), ...Object.keys(world.state.backupServers ?? {})];
  return owners.reduce((sum, id) => sum + world.tasks.listRunning(id).length, 0);
}

function copyOf({ resources, pendingCreates }: StackState): StackState {
  return { resources: [...resources], pendingCreates: [...pendingCreates] };
}
