import type { GuestFacts } from "./model";
import { type Held, heldGuest, type NodeState } from "./node-state";
import type { ClusterState } from "./world";

/** Live guests of ours by key. A guest in the middle of a move is there twice. */
export interface LiveGuests {
  get(key: string): Held[] | undefined;
  /** The same guests as the inventory has them; empty for an unknown key. */
  locate(key: string): readonly Located[];
  /** Makes the first answer as quick as the others. */
  prepare(): void;
}

export interface Located {
  node: NodeState;
  guest: GuestFacts;
}

const NOTHING: readonly Located[] = [];

/** Built when first asked: many runs never ask, and a hundred thousand keys take time. */
export class LiveIndex implements LiveGuests {
  private nodes: Map<string, NodeState | NodeState[]> | undefined;

  /** @param clusters in key order, complete by the time of the first question */
  constructor(private readonly clusters: readonly ClusterState[]) {}

  get(key: string): Held[] | undefined {
    const located = this.locate(key);
    if (located.length === 0) return undefined;
    return located.map(({ node, guest }) => heldGuest(guest, node.cluster.facts.id, node.facts.name));
  }

  locate(key: string): readonly Located[] {
    this.prepare();
    // Not even the key is looked at where no guest is ours: a hundred thousand strings all over the memory.
    const nodes = this.nodes?.size === 0 ? undefined : this.nodes?.get(key);
    if (nodes === undefined) return NOTHING;
    return (Array.isArray(nodes) ? nodes : [nodes]).flatMap((node) =>
      node.facts.guests
        .filter((guest) => guest.key === key)
        .sort((left, right) => left.vmid - right.vmid)
        .map((guest) => ({ node, guest })),
    );
  }

  prepare(): void {
    this.nodes ??= this.build();
  }

  private build(): Map<string, NodeState | NodeState[]> {
    const found = new Map<string, NodeState | NodeState[]>();
    for (const { nodes } of this.clusters) {
      for (const node of nodes) {
        for (const { key } of node.facts.guests) {
          if (key === undefined) continue;
          const known = found.get(key);
          if (known === undefined) found.set(key, node);
          else if (Array.isArray(known)) known.push(node);
          else if (known !== node) found.set(key, [known, node]);
        }
      }
    }
    return found;
  }
}
