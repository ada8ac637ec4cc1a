import type { Ask } from "../ask";
import type { Shortfall } from "../model";
import type { ClusterState, NodeState } from "../world";

/** Decided by the cluster alone: a cluster that fails falls as a whole. Returns every shortfall, none when it passes. */
export interface ClusterFilter {
  name: string;
  /** True: the answer changes as guests are placed; false: it is the same for the whole run and may be kept. */
  dynamic?: true;
  check(ask: Ask, cluster: ClusterState): Shortfall[];
}

/** Decided node by node, on clusters that passed. Returns every shortfall, none when the node passes. */
export interface NodeFilter {
  name: string;
  /** See {@link ClusterFilter.dynamic}. */
  dynamic?: true;
  check(ask: Ask, node: NodeState): Shortfall[];
}
