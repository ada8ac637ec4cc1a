/**
 * Program side of the joint plan: what was declared before each resource, in the program's order. The engine registers
 * resources in an order of its own that differs from run to run; a decision that depended on it would differ between the
 * preview and the update.
 */
import * as pulumi from "@pulumi/pulumi";

/** What placement needs to know of another resource of the program; plain data only. */
export interface DeclaredPeer {
  kind: "vm" | "disk";
  /** Name in its identity. */
  name: string;
  /** Name of its pool; absent: the default pool. */
  pool?: string;
  /** Of a disk: identity name of the VM it is attached to and follows. */
  attachedTo?: string;
  args: Record<string, unknown>;
}

const declared: string[] = [];

/**
 * Adds a resource to the order.
 * @returns JSON text of all plain resources declared before it, and whether it is plain itself. Text, because the engine's
 * wire format takes long for thousands of nested values.
 */
export function declareInOrder(peer: Omit<DeclaredPeer, "pool"> & { pool?: pulumi.Input<string> }): { before: string; ordered: boolean } {
  const before = `[${declared.join(",")}]`;
  // An output may depend on anything: waiting for it here could make later resources wait for slow or unrelated ones.
  const ordered = isPlain(peer);
  if (ordered) declared.push(JSON.stringify(peer));
  return { before, ordered };
}

function isPlain(value: unknown): boolean {
  if (pulumi.Output.isInstance(value) || value instanceof Promise || typeof value === "function") return false;
  if (Array.isArray(value)) return value.every(isPlain);
  return typeof value !== "object" || value === null || Object.values(value).every(isPlain);
}
