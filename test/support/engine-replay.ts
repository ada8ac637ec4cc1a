import { type ProviderMethod, ProviderProcess, type ProviderProcessOptions } from "./provider-process";
import {
  type DesiredResource,
  OperationFailedError,
  type ProviderCall,
  type ResourceState,
  type StackState,
  type Step,
} from "./replay-model";
import { Operation } from "./replay-operation";

export interface EngineReplayOptions extends ProviderProcessOptions {
  /** Creates, updates, reads and deletes under way at once. Default: 16. */
  parallel?: number;
  /** Where the process of an operation comes from; default: it is started then. */
  startProvider?: () => Promise<ProviderProcess>;
  /** Where it goes to; default: it is stopped. */
  endProvider?: (provider: ProviderProcess) => Promise<void>;
  /** Runs an operation, `work`, with its process. */
  during?: (provider: ProviderProcess, work: () => Promise<void>) => Promise<void>;
  /** Sees each call just before it is made; may call `kill()`. */
  onCall?: (call: ProviderCall) => void;
}

/**
 * Does for one stack, in memory, what the engine does between a program and the dynamic-provider process: which methods are
 * called in which order, with which arguments, and what is recorded of the results. It knows custom resources, one
 * provider, dependencies and secrets; a provider that asks for `deleteBeforeReplace` is refused.
 *
 * Each operation runs in a provider process of its own, which has ended when the operation's promise settles, unless
 * `endProvider` says otherwise.
 */
export class EngineReplay {
  readonly state: StackState = { resources: [], pendingCreates: [] };
  readonly calls: ProviderCall[] = [];
  /** What the provider processes printed and logged, over all operations. */
  readonly output: string[] = [];
  private running: ProviderProcess | undefined;

  constructor(private readonly options: EngineReplayOptions) {}

  /** `pulumi up --skip-preview`; `replace` names targets of `--replace`. Rejects with an `OperationFailedError`. */
  up(program: DesiredResource[], { replace = [] }: { replace?: string[] } = {}): Promise<Step[]> {
    return this.operate("up", async (operation) => {
      this.state.pendingCreates = [];
      await operation.run(program, replace);
      await operation.deleteLeftovers(new Set(program.map((resource) => resource.name)));
    });
  }

  /** `pulumi preview`: changes neither state nor infrastructure. */
  preview(program: DesiredResource[], { replace = [] }: { replace?: string[] } = {}): Promise<Step[]> {
    return this.operate("preview", async (operation) => {
      await operation.run(program, replace);
      await operation.deleteLeftovers(new Set(program.map((resource) => resource.name)));
    });
  }

  /** `pulumi refresh`: a step has `drift` set where the provider's diff finds the infrastructure apart from the inputs. */
  refresh(): Promise<Step[]> {
    return this.operate("refresh", (operation) => operation.refresh());
  }

  /** `pulumi destroy`. */
  destroy(): Promise<Step[]> {
    return this.operate("destroy", (operation) => operation.deleteLeftovers(new Set()));
  }

  /** SIGKILL to the provider process of the operation under way, which then fails as if its machine had gone. */
  kill(): void {
    this.running?.kill();
  }

  /** How many calls of a method were made, over all operations or in those of one kind. */
  count(method: ProviderMethod, operation?: ProviderCall["operation"]): number {
    return this.calls.filter((call) => call.method === method && (operation === undefined || call.operation === operation)).length;
  }

  /** The live resource of that name, not one that awaits deletion. */
  get(name: string): ResourceState {
    const found = this.state.resources.find((resource) => resource.name === name && !resource.delete);
    if (!found) throw new Error(`The stack has no resource ${name}.`);
    return found;
  }

  private async operate(kind: ProviderCall["operation"], body: (operation: Operation) => Promise<void>): Promise<Step[]> {
    if (this.running) throw new Error("Another operation is under way; a stack has one at a time.");
    const provider = await (this.options.startProvider?.() ?? ProviderProcess.start(this.options));
    this.running = provider;
    const state = kind === "preview" ? copyState(this.state) : this.state;
    const { project = "test", parallel = 16, onCall } = this.options;
    const operation = new Operation(provider, state, {
      kind,
      project,
      parallel,
      onCall: (call) => {
        this.calls.push(call);
        onCall?.(call);
      },
    });
    const work = () => body(operation);
    try {
      await (this.options.during?.(provider, work) ?? work());
    } finally {
      this.running = undefined;
      await (this.options.endProvider?.(provider) ?? provider.stop());
      this.output.push(...provider.output, ...provider.log.map((entry) => entry.message));
    }
    if (operation.failures.length > 0) throw new OperationFailedError(operation.failures, operation.steps);
    return operation.steps;
  }
}

/** A resource's state is replaced, never changed in place, so that copies of the lists are enough. */
function copyState(state: StackState): StackState {
  return { resources: [...state.resources], pendingCreates: [...state.pendingCreates] };
}
