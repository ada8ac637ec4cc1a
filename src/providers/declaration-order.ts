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
  /** Of a Kubernetes volume's disk: the region it must be in; which cluster that is, federation.yaml says. */
  region?: string;
  /** The same: the Kubernetes cluster whose workers it has to be near, if it is new. */
  workers?: { kubeconfig?: string; context?: string };
  /** The same: its pin says only where it is made. */
  isReplicated?: boolean;
  args: Record<string, unknown>;
}

/** VMs that are placed together. Those of equal shape are listed under it once: a thousand replicas stay a short text. */
export interface DeclaredDeployment {
  kind: "deployment";
  name: string;
  pool?: string;
  shapes: { args: Record<string, unknown>; names: string[] }[];
}

/** Volumes of a StatefulSet's replicas, which are placed together: those of one replica in one zone, the replicas evenly. */
export interface DeclaredVolumeSet {
  kind: "volume-set";
  name: string;
  pool?: string;
  workers?: DeclaredPeer["workers"];
  /** What placement needs to know of each volume of a replica. */
  volumes: Record<string, unknown>[];
  /** Per replica the volumes' names in their identities, in the same order. */
  replicas: string[][];
}

export type Declared = DeclaredPeer | DeclaredDeployment | DeclaredVolumeSet;

/** A resource's place in the program's order, as JSON text: the engine's wire format takes long for nested values. */
export interface DeclaredOrder {
  /** All plain resources declared before it. */
  before: string;
  /** It is plain itself, so those declared later count with it. */
  ordered: boolean;
  /** The deployment it is a member of. */
  together?: string;
}

/** Inputs may be outputs of other resources; such a resource is outside the order. */
type WithPoolInput<T> = Omit<T, "pool" | "region" | "workers"> & {
  pool?: pulumi.Input<string>;
  region?: pulumi.Input<string>;
  workers?: pulumi.Input<unknown>;
};

const declared: string[] = [];

/** Adds a resource to the order. */
export function declareInOrder(peer: WithPoolInput<DeclaredPeer>): DeclaredOrder {
  const before = `[${declared.join(",")}]`;
  // An output may depend on anything: waiting for it here could make later resources wait for slow or unrelated ones.
  const ordered = isPlain(peer);
  if (ordered) declared.push(JSON.stringify(peer));
  return { before, ordered };
}

/**
 * Adds a deployment to the order.
 * @returns the place that all its members share
 * @throws Error when something is an output: what is decided together must be known together
 */
export function declareDeployment(deployment: WithPoolInput<DeclaredDeployment>): DeclaredOrder {
  const output = findOutput(deployment.pool, "pool") ?? findOutputInShapes(deployment.shapes);
  if (output !== undefined)
    throw new Error(
      `FederatedDeployment ${deployment.name}: ${output} is an output of another resource. What decides where VMs go must be known when the program runs: pass a plain value, or declare that VM as a FederatedVM of its own.`,
    );
  const before = `[${declared.join(",")}]`;
  const together = JSON.stringify(deployment);
  declared.push(together);
  return { before, ordered: true, together };
}

/**
 * Adds a set's volumes to the order.
 * @returns the place that all of them share
 * @throws Error when something is an output
 */
export function declareVolumeSet(set: WithPoolInput<DeclaredVolumeSet>): DeclaredOrder {
  const output = findOutput({ pool: set.pool, kubernetes: set.workers, volumes: set.volumes }, "");
  if (output !== undefined)
    throw new Error(
      `ZonedStatefulSet ${set.name}: ${output.slice(1)} is an output of another resource. What decides where volumes go must be known when the program runs: pass a plain value, or give zones.`,
    );
  const before = `[${declared.join(",")}]`;
  const together = JSON.stringify(set);
  declared.push(together);
  return { before, ordered: true, together };
}

function findOutputInShapes(shapes: DeclaredDeployment["shapes"]): string | undefined {
  for (const { args, names } of shapes) {
    const output = findOutput(args, `vms[${JSON.stringify(names[0])}]`);
    if (output !== undefined) return output;
  }
  return undefined;
}

function isPlain(value: unknown): boolean {
  return findOutput(value, "") === undefined;
}

/** Path of the first value that is not known yet. */
function findOutput(value: unknown, path: string): string | undefined {
  if (pulumi.Output.isInstance(value) || value instanceof Promise || typeof value === "function") return path;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, item] of Object.entries(value)) {
    const output = findOutput(item, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`);
    if (output !== undefined) return output;
  }
  return undefined;
}
