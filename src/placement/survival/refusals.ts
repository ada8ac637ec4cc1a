import type { AppliedRule } from "../rules";
import type { NodeState } from "../world";
import { Tally } from "./tally";

/** Which tags guests keep away from them by hard rules, from their node or from their whole cluster. */
export class Refusals {
  private readonly onNodes = new Tally();
  private readonly inClusters = new Tally();

  /** A guest with these rules has come to the node (1) or left it (-1). */
  add(node: NodeState, apart: readonly AppliedRule[], change: 1 | -1): void {
    for (const { rule } of apart) {
      (rule.scope === "cluster" ? this.inClusters : this.onNodes).add(node, rule.value.toLowerCase(), change);
    }
  }

  /**
   * The first of the tags that is not welcome on the node.
   *
   * @param lost a node whose guests have no say any more
   */
  firstRefused(tags: readonly string[], node: NodeState, lost?: NodeState): string | undefined {
    return tags.find((tag) => {
      if (this.onNodes.of(node, tag) > 0) return true;
      const gone = lost?.cluster === node.cluster ? this.inClusters.of(lost, tag) : 0;
      return this.inClusters.of(node.cluster, tag) > gone;
    });
  }
}
