/** Where the HA manager puts a service: online nodes, narrowed by groups (8) or rules (9). */
import type { ClusterState } from "../kernel";
import { splitList } from "../parameters";
import { parseNodePriorities, vmidOf } from "./services";

interface Affinity {
  /** Node → priority; absent: every node counts the same. */
  priorities?: Record<string, number>;
  /** Only those nodes, even when none of them is there. */
  strict: boolean;
  failback: boolean;
}

function nodeAffinity({ era, ha }: ClusterState, sid: string): Affinity {
  const resource = ha.resources[sid] ?? {};
  if (era === "8.4") {
    const group = ha.groups?.[resource.group ?? ""];
    if (!group) return { strict: false, failback: false };
    return { priorities: parseNodePriorities(group.nodes), strict: group.restricted === "1", failback: group.nofailback !== "1" };
  }
  const rule = Object.values(ha.rules).find(
    ({ type, disable, resources }) => type === "node-affinity" && disable !== "1" && splitList(resources ?? "").includes(sid),
  );
  if (!rule) return { strict: false, failback: false };
  return { priorities: parseNodePriorities(rule.nodes), strict: rule.strict === "1", failback: resource.failback !== "0" };
}

/** Nodes of the services that must be together with this one, or apart from it. */
function affinityNodes(cluster: ClusterState, sid: string, affinity: "positive" | "negative"): Set<string> {
  const nodes = new Set<string>();
  for (const rule of Object.values(cluster.ha.rules)) {
    const members = splitList(rule.resources ?? "");
    if (rule.type !== "resource-affinity" || rule.affinity !== affinity || rule.disable === "1" || !members.includes(sid)) continue;
    for (const member of members) {
      const node = member === sid ? undefined : cluster.guests[vmidOf(member)]?.node;
      if (node !== undefined && cluster.nodes[node]?.status === "online") nodes.add(node);
    }
  }
  return nodes;
}

/** The node for a service that cannot stay where it is; `undefined` when none may take it. */
export function chooseNode(cluster: ClusterState, sid: string, except: readonly string[] = []): string | undefined {
  return bestNodes(cluster, sid, except)[0];
}

/** The node a service should go back to, when it has one that counts more than its own. */
export function failbackNode(cluster: ClusterState, sid: string, current: string): string | undefined {
  if (!nodeAffinity(cluster, sid).failback) return undefined;
  const best = bestNodes(cluster, sid, []);
  return best.length === 0 || best.includes(current) ? undefined : best[0];
}

function bestNodes(cluster: ClusterState, sid: string, except: readonly string[]): string[] {
  const online = Object.values(cluster.nodes)
    .filter(({ name, status }) => status === "online" && !except.includes(name))
    .map(({ name }) => name);
  const { priorities, strict } = nodeAffinity(cluster, sid);
  const named = priorities ? online.filter((node) => node in priorities) : online;
  let candidates = named.length > 0 || strict ? named : online;
  const together = affinityNodes(cluster, sid, "positive");
  if (together.size > 0) candidates = candidates.filter((node) => together.has(node));
  const apart = affinityNodes(cluster, sid, "negative");
  candidates = candidates.filter((node) => !apart.has(node));
  const highest = Math.max(...candidates.map((node) => priorities?.[node] ?? 0));
  const load = (node: string) => Object.values(cluster.guests).filter((guest) => guest.node === node && guest.running).length;
  return candidates.filter((node) => (priorities?.[node] ?? 0) === highest).sort((a, b) => load(a) - load(b) || (a < b ? -1 : 1));
}
