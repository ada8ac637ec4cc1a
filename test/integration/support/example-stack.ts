/** The example program as a stack of the real engine, over a simulated federation. */
import { join } from "node:path";
import { setClusterStatus } from "../../../src/cli/simulated-config";
import { createStack, type PulumiStack, type StackOptions } from "../../support/engine";
import { type SimulatedFederation, startSimulatedFederation } from "../../support/simulated-federation";

/** Its Pulumi.yaml names the example as the main program. */
export const REPOSITORY = join(__dirname, "..", "..", "..");

export const WORLDSTREAM = "worldstream-prod";
export const DATABARN = "databarn-dr";

/** Guests that the example's program lays out; `db-data` is the owner VM of a disk. */
export const EXAMPLE_GUESTS = ["db-1", "db-data", "dev-1", "web-1", "web-2"];
/** Those of the pool that spans {@link WORLDSTREAM} and {@link DATABARN}. */
export const PRODUCTION_GUESTS = ["db-1", "db-data", "web-1", "web-2"];

export interface ExampleStack {
  federation: SimulatedFederation;
  stack: PulumiStack;
  /** Sets the `status` of clusters in federation.yaml, as the operator's editor would. */
  setStatus(statuses: Record<string, "active" | "draining">): Promise<void>;
  stop(): Promise<void>;
}

export interface ExampleOptions {
  /** Virtual ms per real ms. */
  timeScale?: number;
  /** Changes federation.yaml and the environment before the stack is made. */
  prepare?: (federation: SimulatedFederation) => Promise<Pick<StackOptions, "secrets"> | undefined>;
}

export async function startExample(options: ExampleOptions = {}): Promise<ExampleStack> {
  const federation = await startSimulatedFederation({ timeScale: options.timeScale });
  try {
    const prepared = await options.prepare?.(federation);
    const stack = await createStack(REPOSITORY, { env: federation.env, ...prepared });
    return {
      federation,
      stack,
      setStatus: (statuses) =>
        federation.edit((text) => Object.entries(statuses).reduce((changed, [id, status]) => setClusterStatus(changed, id, status), text)),
      stop: async () => {
        stack.dispose();
        await federation.stop();
      },
    };
  } catch (error) {
    await federation.stop();
    throw error;
  }
}
