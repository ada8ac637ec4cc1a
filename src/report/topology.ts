/** What a report shows: the federation before and, where something is planned, after. Plain data. */

export interface Topology {
  federation: string;
  clusters: TopologyCluster[];
  /** Planned: guests that change place, come or go. */
  changes: GuestChange[];
}

export interface TopologyCluster {
  id: string;
  /** Provider, place, tier: what there is. */
  about: string[];
  status: "active" | "cordoned" | "draining" | "lost";
  /** Why there is nothing live to show. */
  unreachable?: string;
  nodes: TopologyNode[];
}

export interface TopologyNode {
  name: string;
  online: boolean;
  /** What may be handed out: over-commit less reserve. */
  capacity: Amounts;
  guests: TopologyGuest[];
}

export interface Amounts {
  cores: number;
  memoryMiB: number;
}

export interface TopologyGuest extends Amounts {
  /** Unique in the topology, e.g. `ams/101`. */
  id: string;
  vmid: number;
  name: string;
  pool?: string;
  tags: string[];
  running: boolean;
  /** It carries the mark of a federation. */
  ours: boolean;
}

export interface Place {
  cluster: string;
  node: string;
}

export interface GuestChange extends Amounts {
  /** Of the guest in the topology; a new one has none. */
  guest?: string;
  name: string;
  from?: Place;
  to?: Place;
  /** One line: why, and what it costs. */
  why?: string;
}

/** `ams/n1` */
export function placeText({ cluster, node }: Place): string {
  return `${cluster}/${node}`;
}

export function changeKind({ from, to }: GuestChange): "move" | "create" | "remove" {
  if (from && to) return "move";
  return to ? "create" : "remove";
}
