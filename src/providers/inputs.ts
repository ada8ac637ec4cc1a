/** What every resource's inputs carry beside the user's own, and how unknown values are told. */
import type { Identity } from "../migration";

/** How the engine writes a value that is not known before the update; at any depth, in previews only. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export type Inputs = Record<string, unknown>;

/** Set by the resource class; keys with two underscores are hidden in diffs. */
export interface IdentityInput {
  stack: string;
  name: string;
}

export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  return typeof value === "object" && value !== null && Object.values(value).some(hasUnknown);
}

/** The user's own inputs: without what the class, the engine or `check` adds. */
export function userInputs(inputs: Inputs, computed: readonly string[]): Inputs {
  return Object.fromEntries(
    Object.entries(inputs).filter(
      ([key, value]) => !key.startsWith("__") && !computed.includes(key) && value !== undefined && value !== null,
    ),
  );
}

/** What the resource class has added, kept in the checked inputs. */
export function engineInputs(inputs: Inputs): Inputs {
  const { __identity, __urn, __poolDefinition, __observed } = inputs;
  // An output of that name is as secret as this is.
  return withoutUndefined({ __identity, __urn, __poolDefinition, __observed });
}

export function identityOf(inputs: Inputs, federation: string, kind: Identity["kind"]): Identity {
  const { stack, name } = inputs.__identity as IdentityInput;
  return { federation, stack, kind, name };
}

/**
 * The engine keeps what it knows of a renamed resource (`aliases`, `pulumi stack rename`); the mark on what exists keeps the former
 * name. Taken for something else, a change of cluster would make it anew, empty, and destroy the one with the data.
 *
 * @returns why it must not go on, with what to do; `undefined`: it has the name it had
 */
export function describeRename(olds: Inputs, news: Inputs): string | undefined {
  const before = olds.__identity as IdentityInput | undefined;
  const { stack, name } = news.__identity as IdentityInput;
  if (!before || (before.stack === stack && before.name === name)) return undefined;
  if (before.stack !== stack)
    return `what exists carries the mark of stack ${before.stack}, and this is ${stack}: give project and stack their former names`;
  const former = before.name.replace(/^pv\//, "");
  return `what exists carries the mark of its former name: add identity: "${former}" to the arguments, or give the resource that name again`;
}

/** The engine's wire format refuses `undefined` anywhere. */
export function withoutUndefined<T>(value: T): T {
  if (Array.isArray(value)) return value.filter((item) => item !== undefined).map(withoutUndefined) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, withoutUndefined(item)]])),
  ) as T;
}
