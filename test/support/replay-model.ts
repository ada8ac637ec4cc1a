import type { PropertyMap, PropertyValue } from "./property-values";
import type { ProviderMethod } from "./provider-process";

/** A resource as a program declares it. */
export interface DesiredResource {
  /** `pulumi-nodejs:dynamic/<module>:<Type>` */
  type: string;
  name: string;
  /** The serialized provider, such as `exports.handler=()=>require("…").vm`. */
  provider: string;
  /** May use outputs of the resources in `dependsOn`. */
  inputs: PropertyMap | ((resolve: (name: string) => ResolvedResource) => PropertyMap);
  dependsOn?: string[];
  additionalSecretOutputs?: string[];
}

/** What a program sees of a resource that is done; in a preview an absent output is the unknown value. */
export interface ResolvedResource {
  id: string;
  outputs: PropertyMap;
}

/** A resource as the engine persists it. */
export interface ResourceState {
  urn: string;
  type: string;
  name: string;
  id: string;
  inputs: PropertyMap;
  outputs: PropertyMap;
  dependencies: string[];
  additionalSecretOutputs: string[];
  /** Replaced, and not deleted yet. */
  delete: boolean;
  /** Reasons of a partial failure; the next update calls the provider's update even when nothing changed. */
  initErrors: string[];
}

/** What `pulumi stack export` would show of a stack. */
export interface StackState {
  resources: ResourceState[];
  /** URNs whose create had no result when the engine died; the engine only warns about them. */
  pendingCreates: string[];
}

export type StepOperation = "same" | "create" | "update" | "replace" | "delete" | "delete-replaced" | "refresh";

export interface Step {
  operation: StepOperation;
  urn: string;
  name: string;
  /** Refresh: the provider's diff found a difference from the inputs. */
  drift?: boolean;
  replaces?: string[];
  oldInputs?: PropertyMap;
  /** Absent for what is deleted. */
  inputs?: PropertyMap;
}

/** One call to the provider, in the order in which they were made. */
export interface ProviderCall {
  operation: "up" | "preview" | "refresh" | "destroy";
  method: ProviderMethod;
  urn: string;
  name: string;
  /** False for a check without old inputs and for what has none. */
  hasOlds: boolean;
}

export interface Failure {
  name: string;
  method: ProviderMethod | "program";
  message: string;
  /** The input a failed check blames; empty: the whole resource. */
  property?: string;
  /** The provider process was gone, so nobody knows what the call did. */
  providerGone?: boolean;
}

/** An operation that ended as a failed `pulumi` command does; the state holds what had succeeded. */
export class OperationFailedError extends Error {
  override name = "OperationFailedError";

  constructor(
    readonly failures: Failure[],
    readonly steps: Step[],
  ) {
    super(failures.map((failure) => `${failure.name}: ${failure.method}: ${failure.message}`).join("\n"));
  }
}

/** True if the value is equal in structure; the engine compares inputs so when a provider's diff does not say. */
export function equalValues(a: PropertyValue | undefined, b: PropertyValue | undefined): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  const left = Object.entries(a);
  const right = new Map(Object.entries(b));
  return left.length === right.size && left.every(([key, value]) => right.has(key) && equalValues(value, right.get(key)));
}
