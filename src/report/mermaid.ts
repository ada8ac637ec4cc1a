/** The topology as Mermaid text, which GitHub draws in comments and READMEs. Pure. */
import { escapeMermaid } from "./escape";
import { type Place, placeText, type Topology, type TopologyNode } from "./topology";

/** More names make the picture unreadable; then guests are counted. */
const NAMED_GUESTS_PER_NODE = 6;

export function topologyMermaid(topology: Topology): string {
  const ids = new Map<string, string>();
  const lines = ["flowchart LR"];
  for (const [index, cluster] of topology.clusters.entries()) {
    const state = cluster.unreachable === undefined ? cluster.status : "not reachable";
    const title = [cluster.id, ...(state === "active" ? [] : [state]), ...cluster.about].join(" · ");
    lines.push(`  subgraph c${index}["${escapeMermaid(title)}"]`);
    for (const [position, node] of cluster.nodes.entries()) {
      const id = `c${index}n${position}`;
      ids.set(placeText({ cluster: cluster.id, node: node.name }), id);
      lines.push(`    ${id}["${nodeLabel(node)}"]`);
    }
    lines.push("  end");
  }
  for (const { from, to, names } of movesByRoute(topology)) {
    const [source, target] = [ids.get(placeText(from)), ids.get(placeText(to))];
    if (source !== undefined && target !== undefined) lines.push(`  ${source} -->|"${escapeMermaid(someNames(names))}"| ${target}`);
  }
  const fresh = topology.changes.filter(({ from, to }) => !from && to);
  if (fresh.length > 0) lines.push('  new(["new"])');
  for (const { to, names } of groupNew(fresh)) {
    const target = ids.get(placeText(to));
    if (target !== undefined) lines.push(`  new -.->|"${escapeMermaid(someNames(names))}"| ${target}`);
  }
  return `${lines.join("\n")}\n`;
}

function nodeLabel({ name, online, capacity, guests }: TopologyNode): string {
  const memory = guests.reduce((sum, guest) => sum + guest.memoryMiB, 0);
  const fill = capacity.memoryMiB > 0 ? `, memory ${Math.round((memory / capacity.memoryMiB) * 100)} %` : "";
  const head = escapeMermaid(`${name}${online ? "" : " (offline)"}: ${guests.length} ${guests.length === 1 ? "guest" : "guests"}${fill}`);
  const names = guests.length > NAMED_GUESTS_PER_NODE ? [] : guests.map((guest) => escapeMermaid(guest.name));
  return [head, ...names].join("<br/>");
}

function movesByRoute({ changes }: Topology): { from: Place; to: Place; names: string[] }[] {
  const routes = new Map<string, { from: Place; to: Place; names: string[] }>();
  for (const { from, to, name } of changes) {
    if (!from || !to) continue;
    const key = `${placeText(from)} ${placeText(to)}`;
    const route = routes.get(key) ?? { from, to, names: [] };
    route.names.push(name);
    routes.set(key, route);
  }
  return [...routes.values()];
}

function groupNew(changes: Topology["changes"]): { to: Place; names: string[] }[] {
  const groups = new Map<string, { to: Place; names: string[] }>();
  for (const { to, name } of changes) {
    if (!to) continue;
    const group = groups.get(placeText(to)) ?? { to, names: [] };
    group.names.push(name);
    groups.set(placeText(to), group);
  }
  return [...groups.values()];
}

function someNames(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;
}
