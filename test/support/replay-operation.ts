import { annotateSecrets, findUnknown, type PropertyMap, Secret, unknownValue } from "./property-values";
import { ProviderError, ProviderGoneError, type ProviderMethod, type ProviderProcess } from "./provider-process";
import {
  type DesiredResource,
  equalValues,
  type Failure,
  type ProviderCall,
  type ResolvedResource,
  type ResourceState,
  type StackState,
  type Step,
} from "./replay-model";

export interface OperationOptions {
  kind: ProviderCall["operation"];
  project: string;
  parallel: number;
  /** Sees each call just before it is made. */
  onCall: (call: ProviderCall) => void;
}

/** One run of the engine over a stack. */
export class Operation {
  readonly steps: Step[] = [];
  readonly failures: Failure[] = [];
  private readonly limit: Semaphore;
  /** The engine generates steps, with their checks and diffs, one resource at a time. */
  private readonly generator = new Semaphore(1);

  constructor(
    private readonly provider: ProviderProcess,
    private readonly state: StackState,
    private readonly options: OperationOptions,
  ) {
    this.limit = new Semaphore(options.parallel);
  }

  private get dryRun(): boolean {
    return this.options.kind === "preview";
  }

  async run(program: DesiredResource[], replaceTargets: string[]): Promise<void> {
    const resolved = new Map<string, Promise<ResolvedResource | undefined>>();
    for (const desired of program) {
      if (resolved.has(desired.name)) throw new Error(`The program declares ${desired.name} twice.`);
      const dependencies = (desired.dependsOn ?? []).map((name) => {
        const dependency = resolved.get(name);
        if (!dependency) throw new Error(`${desired.name} depends on ${name}, which the program does not declare before it.`);
        return dependency.then((value) => [name, value] as const);
      });
      resolved.set(desired.name, this.register(desired, dependencies, replaceTargets.includes(desired.name)));
    }
    await Promise.all(resolved.values());
  }

  /** Resolves to undefined when the resource, or one it depends on, failed. */
  private async register(
    desired: DesiredResource,
    dependencies: Promise<readonly [string, ResolvedResource | undefined]>[],
    targetedReplace: boolean,
  ): Promise<ResolvedResource | undefined> {
    const available = new Map(await Promise.all(dependencies));
    if ([...available.values()].includes(undefined)) return undefined;
    const resolve = (name: string) => {
      const found = available.get(name);
      if (!found) throw new Error(`${desired.name} uses ${name} without depending on it.`);
      return found;
    };
    try {
      const apply = await this.generator.use(() => this.planUnlessFailed(desired, resolve, targetedReplace));
      return apply && (await this.limit.use(apply));
    } catch (error) {
      this.fail(desired.name, error);
      return undefined;
    }
  }

  /** A failure is known before the next resource has its turn, which then does not come. */
  private async planUnlessFailed(desired: DesiredResource, resolve: (name: string) => ResolvedResource, targetedReplace: boolean) {
    if (this.failures.length > 0) return undefined;
    try {
      return await this.plan(desired, resolve, targetedReplace);
    } catch (error) {
      this.fail(desired.name, error);
      return undefined;
    }
  }

  /** Check, diff and, for a replacement, the second check; returns what carries the step out. */
  private async plan(desired: DesiredResource, resolve: (name: string) => ResolvedResource, targetedReplace: boolean) {
    const goal: PropertyMap = {
      ...(typeof desired.inputs === "function" ? desired.inputs(resolve) : desired.inputs),
      __provider: desired.provider,
    };
    const urn = this.urn(desired);
    const old = this.state.resources.find((resource) => resource.urn === urn && !resource.delete);
    const keepOlds = old !== undefined && !targetedReplace;
    let inputs = await this.check(desired.name, urn, keepOlds ? old.inputs : undefined, goal);
    if (!old) return () => this.create(desired, urn, inputs);

    let replaces: string[] = [];
    let changes: boolean | undefined = true;
    if (!targetedReplace) {
      const diff = await this.diff(old, inputs);
      if (diff.deleteBeforeReplace) throw new Error("The diff asks for deleteBeforeReplace, which this replay does not know.");
      ({ replaces, changes } = diff);
    }
    if (targetedReplace || replaces.length > 0) {
      // The engine computes the defaults anew, as if there had never been an old resource.
      if (!targetedReplace) inputs = await this.check(desired.name, urn, undefined, goal);
      return () => this.create(desired, urn, inputs, old, replaces);
    }
    if (changes ?? !equalValues(old.inputs, inputs)) return () => this.update(desired, old, inputs);
    if (old.initErrors.length > 0) return () => this.update(desired, old, inputs);
    return async () => {
      this.put(old, { ...old, inputs, dependencies: desired.dependsOn ?? [] });
      this.steps.push({ operation: "same", urn, name: desired.name, oldInputs: old.inputs, inputs });
      return { id: old.id, outputs: old.outputs };
    };
  }

  private async create(
    desired: DesiredResource,
    urn: string,
    inputs: PropertyMap,
    old?: ResourceState,
    replaces?: string[],
  ): Promise<ResolvedResource> {
    const { name, type } = desired;
    this.steps.push({ operation: old ? "replace" : "create", urn, name, replaces, oldInputs: old?.inputs, inputs });
    if (this.dryRun) {
      if (old) this.put(old, { ...old, delete: true });
      this.state.resources.push(this.newState(desired, urn, unknownValue, inputs, inputs));
      return { id: unknownValue, outputs: withUnknowns(inputs) };
    }
    this.state.pendingCreates.push(urn);
    const record = (id: string, outputs: PropertyMap, initErrors: string[]) => {
      const created = { ...this.newState(desired, urn, id, inputs, this.outputs(desired, outputs, inputs)), initErrors };
      if (old) this.put(old, { ...old, delete: true });
      this.state.resources.push(created);
      return { id, outputs: created.outputs };
    };
    try {
      const created = await this.call("create", urn, name, false, () => this.provider.create(urn, inputs));
      if (created.id === "") throw new Error(`The provider returned an empty id for a ${type}.`);
      const result = record(created.id, created.outputs, []);
      this.settleCreate(urn);
      return result;
    } catch (error) {
      if (error instanceof ProviderError && error.partial) record(error.partial.id, error.partial.outputs, error.partial.reasons);
      // After an answer nothing is pending; without one the engine that dies with its provider leaves the mark.
      if (!(error instanceof ProviderGoneError)) this.settleCreate(urn);
      throw error;
    }
  }

  private async update(desired: DesiredResource, old: ResourceState, inputs: PropertyMap): Promise<ResolvedResource> {
    const { urn, name, id } = old;
    this.steps.push({ operation: "update", urn, name, oldInputs: old.inputs, inputs });
    if (this.dryRun) {
      this.put(old, { ...old, inputs });
      return { id, outputs: withUnknowns(inputs) };
    }
    const record = (outputs: PropertyMap, initErrors: string[]) => {
      const updated = { ...this.newState(desired, urn, id, inputs, this.outputs(desired, outputs, inputs)), initErrors };
      this.put(old, updated);
      return { id, outputs: updated.outputs };
    };
    try {
      return record(await this.call("update", urn, name, true, () => this.provider.update(urn, id, old.outputs, inputs)), []);
    } catch (error) {
      if (error instanceof ProviderError && error.partial) record(error.partial.outputs, error.partial.reasons);
      throw error;
    }
  }

  /** Deletes what awaits deletion and what the program no longer declares, dependents first; nothing after a failure. */
  async deleteLeftovers(declared: Set<string>): Promise<void> {
    let waiting = this.state.resources.filter((resource) => resource.delete || !declared.has(resource.name));
    while (waiting.length > 0 && this.failures.length === 0) {
      const free = waiting.filter((resource) => !waiting.some((other) => other !== resource && other.dependencies.includes(resource.name)));
      // Dependencies of different ages can form a circle; the youngest goes first then, as it does in the engine's snapshot.
      const batch = free.length > 0 ? free : waiting.slice(-1);
      waiting = waiting.filter((resource) => !batch.includes(resource));
      await Promise.all(batch.map((resource) => this.limit.use(() => this.delete(resource))));
    }
  }

  private async delete(resource: ResourceState): Promise<void> {
    const { urn, name, id } = resource;
    this.steps.push({ operation: resource.delete ? "delete-replaced" : "delete", urn, name, oldInputs: resource.inputs });
    try {
      if (!this.dryRun) await this.call("delete", urn, name, true, () => this.provider.delete(urn, id, resource.outputs));
      this.put(resource, undefined);
    } catch (error) {
      this.fail(name, error);
    }
  }

  async refresh(): Promise<void> {
    await Promise.all([...this.state.resources].map((resource) => this.limit.use(() => this.refreshOne(resource))));
  }

  private async refreshOne(old: ResourceState): Promise<void> {
    const { urn, name } = old;
    try {
      const found = await this.call("read", urn, name, true, () => this.provider.read(urn, old.id, old.outputs));
      if (found.id === "") {
        this.put(old, undefined);
        this.steps.push({ operation: "delete", urn, name, oldInputs: old.inputs });
        return;
      }
      const inputs = found.inputs ? annotateSecrets(found.inputs, old.inputs) : old.inputs;
      const outputs = annotateSecrets(annotateSecrets(found.outputs, old.inputs), old.outputs);
      const refreshed = { ...old, id: found.id, inputs, outputs, initErrors: [] };
      // With the roles swapped: what would an update change if the old inputs were put in force again?
      const diff = await this.diff(refreshed, old.inputs);
      const drift = diff.changes ?? !equalValues(inputs, old.inputs);
      this.put(old, refreshed);
      this.steps.push({ operation: "refresh", urn, name, drift, oldInputs: old.inputs, inputs });
    } catch (error) {
      this.fail(name, error);
    }
  }

  private async check(name: string, urn: string, olds: PropertyMap | undefined, news: PropertyMap): Promise<PropertyMap> {
    const result = await this.call("check", urn, name, olds !== undefined, () => this.provider.check(urn, olds ?? {}, news));
    if (result.failures.length > 0) throw new CheckFailedError(result.failures);
    this.refuseUnknowns("check", result.inputs);
    return annotateSecrets(result.inputs, news);
  }

  private async diff(old: ResourceState, inputs: PropertyMap) {
    return this.call("diff", old.urn, old.name, true, () => this.provider.diff(old.urn, old.id, old.outputs, inputs));
  }

  private call<T>(method: ProviderMethod, urn: string, name: string, hasOlds: boolean, send: () => Promise<T>): Promise<T> {
    this.options.onCall({ operation: this.options.kind, method, urn, name, hasOlds });
    return send();
  }

  private outputs(desired: DesiredResource, outputs: PropertyMap, inputs: PropertyMap): PropertyMap {
    this.refuseUnknowns("outputs", outputs);
    const annotated = annotateSecrets(outputs, inputs);
    for (const key of desired.additionalSecretOutputs ?? []) {
      const value = annotated[key];
      if (value !== undefined && !(value instanceof Secret)) annotated[key] = new Secret(value);
    }
    return annotated;
  }

  private refuseUnknowns(where: string, properties: PropertyMap): void {
    const path = this.dryRun ? undefined : findUnknown(properties);
    if (path !== undefined) throw new Error(`The provider returned an unknown value during an update (${where}: ${path}).`);
  }

  private newState(desired: DesiredResource, urn: string, id: string, inputs: PropertyMap, outputs: PropertyMap): ResourceState {
    const { type, name, dependsOn = [], additionalSecretOutputs = [] } = desired;
    return { urn, type, name, id, inputs, outputs, dependencies: dependsOn, additionalSecretOutputs, delete: false, initErrors: [] };
  }

  private put(old: ResourceState, next: ResourceState | undefined): void {
    const index = this.state.resources.indexOf(old);
    if (index < 0) throw new Error(`${old.urn} is no longer in the state.`);
    this.state.resources.splice(index, 1, ...(next ? [next] : []));
  }

  private settleCreate(urn: string): void {
    this.state.pendingCreates = this.state.pendingCreates.filter((pending) => pending !== urn);
  }

  private urn({ type, name }: DesiredResource): string {
    return `urn:pulumi:test::${this.options.project}::${type}::${name}`;
  }

  private fail(name: string, error: unknown): void {
    if (error instanceof CheckFailedError) {
      for (const { property, reason } of error.failures) this.failures.push({ name, method: "check", message: reason, property });
      return;
    }
    const method = error instanceof ProviderError || error instanceof ProviderGoneError ? error.method : "program";
    const message = error instanceof Error ? error.message : String(error);
    this.failures.push({ name, method, message, ...(error instanceof ProviderGoneError ? { providerGone: true } : {}) });
  }
}

class CheckFailedError extends Error {
  constructor(readonly failures: { property: string; reason: string }[]) {
    super("check failed");
  }
}

/** Outputs of a resource that a preview only pretends to make: what is not an input is not known yet. */
function withUnknowns(inputs: PropertyMap): PropertyMap {
  return new Proxy(inputs, { get: (target, key) => (typeof key === "symbol" || key in target ? Reflect.get(target, key) : unknownValue) });
}

class Semaphore {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async use<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}
