/** The topology as a picture that stands alone, and that the page animates. Pure. */
import { escapeMarkup } from "./escape";
import { type Box, type Cell, type ClusterBox, isLabelled, type Layout, layOut, type NodeBox } from "./layout";
import { type Amounts, type GuestChange, placeText, type Topology } from "./topology";

/** Apart from the rest, so that a page can bring its own. */
export const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #1c2430; }
.cluster > rect { fill: #f4f6f9; stroke: #b8c1cc; }
.cluster.draining > rect, .cluster.cordoned > rect { stroke: #c98a00; stroke-dasharray: 6 3; }
.cluster.lost > rect, .cluster.unreachable > rect { stroke: #c0392b; stroke-dasharray: 3 3; }
.cluster .title { font-size: 15px; font-weight: 600; }
.about { fill: #5b6775; font-size: 11px; }
.node > rect { fill: #ffffff; stroke: #d5dbe3; }
.node.offline > rect { fill: #fbeeee; }
.track { fill: #e3e8ee; }
.fill { fill: #4a7fb5; }
.fill.full { fill: #c98a00; }
.fill.over { fill: #c0392b; }
.guest rect { stroke: #00000022; }
.guest.foreign rect { fill: #c3c9d1; }
.guest.stopped rect { fill-opacity: .4; }
.guest.before rect { stroke: #c0392b; stroke-width: 1.5; stroke-dasharray: 3 2; }
.guest.after rect { stroke: #1e8449; stroke-width: 1.5; }
.guest text { font-size: 11px; fill: #10161d; }
.move { fill: none; stroke: #1e6fb8; stroke-width: 1.5; opacity: .75; }
@media (prefers-color-scheme: dark) {
  text, .guest text { fill: #e6ebf2; }
  .guest text { fill: #10161d; }
  .cluster > rect { fill: #1b222b; stroke: #465262; }
  .node > rect { fill: #242d38; stroke: #3a4655; }
  .node.offline > rect { fill: #3c2526; }
  .track { fill: #3a4655; }
  .about { fill: #9aa7b6; }
}`;

/** An SVG document. */
export function topologySvg(topology: Topology): string {
  const layout = layOut(topology);
  const style = `<style>${STYLE}</style>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${drawing(topology, layout, style)}\n`;
}

/** The `svg` element. */
export function drawing(topology: Topology, layout: Layout, style = ""): string {
  const places = new Map<number, Partial<Record<Cell["when"], Box>>>();
  const clusters = layout.clusters.map((cluster) => drawCluster(cluster, topology, places)).join("\n");
  const arrows = [...places].map(([change, ends]) => drawArrow(change, ends)).join("");
  const title = `<title>${escapeMarkup(`Federation ${topology.federation}`)}</title>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" id="topology" role="img" viewBox="0 0 ${layout.width} ${layout.height}" width="${layout.width}" height="${layout.height}">${title}${style}
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#1e6fb8"/></marker></defs>
${clusters}
<g id="moves">${arrows}</g>
</svg>`;
}

function drawCluster(box: ClusterBox, topology: Topology, places: Map<number, Partial<Record<Cell["when"], Box>>>): string {
  const { cluster, nodes } = box;
  const classes = ["cluster", cluster.status, ...(cluster.unreachable === undefined ? [] : ["unreachable"])];
  const state = cluster.status === "active" ? [] : [cluster.status];
  const about = [...state, ...cluster.about, ...(cluster.unreachable === undefined ? [] : [`not reachable: ${cluster.unreachable}`])];
  for (const node of nodes)
    for (const cell of node.cells)
      if (cell.change !== undefined)
        places.set(cell.change, {
          ...places.get(cell.change),
          [cell.when]: { ...cell, x: box.x + node.x + cell.x, y: box.y + node.y + cell.y },
        });
  return `<g class="${classes.join(" ")}" transform="translate(${box.x} ${box.y})"><rect width="${box.width}" height="${box.height}" rx="8"/>
<text class="title" x="12" y="20">${escapeMarkup(cluster.id)}</text><text class="about" x="12" y="36">${escapeMarkup(about.join(" · "))}</text>
${nodes.map((node) => drawNode(node, cluster.id, topology.changes)).join("\n")}</g>`;
}

function drawNode(box: NodeBox, cluster: string, changes: readonly GuestChange[]): string {
  const { node } = box;
  const before = sumOf(node.guests);
  const after = afterwards(before, placeText({ cluster, node: node.name }), changes);
  const barWidth = box.width - 56;
  return `<g class="node${node.online ? "" : " offline"}" transform="translate(${box.x} ${box.y})"><rect width="${box.width}" height="${box.height}" rx="5"/>
<text x="8" y="16">${escapeMarkup(node.name)}${node.online ? "" : " (offline)"}</text>
${bar("cpu", 22, before.cores, after.cores, node.capacity.cores, barWidth)}${bar("mem", 32, before.memoryMiB, after.memoryMiB, node.capacity.memoryMiB, barWidth)}
${box.cells.map((cell) => drawCell(cell)).join("")}</g>`;
}

function bar(name: string, y: number, before: number, after: number, capacity: number, width: number): string {
  const share = (amount: number) => (capacity <= 0 ? (amount > 0 ? 1.01 : 0) : amount / capacity);
  const length = (amount: number) => Math.round(Math.min(1, share(amount)) * width * 10) / 10;
  const worst = Math.max(share(before), share(after));
  const look = worst > 1 ? " over" : worst > 0.9 ? " full" : "";
  const percent = (amount: number) => `${Math.round(share(amount) * 100)} %`;
  const title = before === after ? percent(before) : `${percent(before)}, then ${percent(after)}`;
  return `<g><title>${name}: ${title} of what may be handed out</title><text class="about" x="8" y="${y + 6}">${name}</text><rect class="track" x="40" y="${y}" width="${width}" height="6" rx="2"/><rect class="fill${look}" x="40" y="${y}" height="6" rx="2" width="${length(before)}" data-before="${length(before)}" data-after="${length(after)}"/></g>`;
}

function drawCell(cell: Cell): string {
  const { guest, x, y, width, height, when, change } = cell;
  const classes = ["guest", when, ...(guest.running === false ? ["stopped"] : []), ...(guest.ours === false ? ["foreign"] : [])];
  const facts = [
    guest.name,
    ...(guest.vmid === undefined ? [] : [`vm ${guest.vmid}`]),
    `${guest.cores} cores, ${Math.round((guest.memoryMiB / 1024) * 10) / 10} GiB`,
    ...(guest.pool === undefined ? [] : [`pool ${guest.pool}`]),
    ...(guest.tags ?? []).map((tag) => `#${tag}`),
  ];
  const label = isLabelled(cell) ? `<text x="4" y="14">${escapeMarkup(shorten(guest.name))}</text>` : "";
  const colour = guest.ours === false ? "" : ` fill="${colourOf(guest.pool ?? "")}"`;
  const data = change === undefined ? "" : ` data-change="${change}"`;
  return `<g class="${classes.join(" ")}" transform="translate(${x} ${y})" data-find="${escapeMarkup(facts.join(" ").toLowerCase())}"${data}><title>${escapeMarkup(facts.join("\n"))}</title><rect width="${width}" height="${height}" rx="2"${colour}/>${label}</g>`;
}

function drawArrow(change: number, { before, after }: Partial<Record<Cell["when"], Box>>): string {
  if (!before || !after) return "";
  const [x1, y1, x2, y2] = [
    before.x + before.width / 2,
    before.y + before.height / 2,
    after.x + after.width / 2,
    after.y + after.height / 2,
  ];
  const bend = Math.min(80, Math.hypot(x2 - x1, y2 - y1) / 4);
  return `<path class="move" data-change="${change}" marker-end="url(#tip)" d="M${x1} ${y1}Q${(x1 + x2) / 2} ${(y1 + y2) / 2 - bend} ${x2} ${y2}"/>`;
}

function sumOf(guests: readonly Amounts[]): Amounts {
  return guests.reduce((sum, { cores, memoryMiB }) => ({ cores: sum.cores + cores, memoryMiB: sum.memoryMiB + memoryMiB }), {
    cores: 0,
    memoryMiB: 0,
  });
}

function afterwards(before: Amounts, place: string, changes: readonly GuestChange[]): Amounts {
  const { cores, memoryMiB } = before;
  return changes.reduce(
    (sum, change) => {
      const sign = (change.to && placeText(change.to) === place ? 1 : 0) - (change.from && placeText(change.from) === place ? 1 : 0);
      return { cores: sum.cores + sign * change.cores, memoryMiB: sum.memoryMiB + sign * change.memoryMiB };
    },
    { cores, memoryMiB },
  );
}

/** Always the same colour for a pool, light enough for dark letters. */
function colourOf(pool: string): string {
  let hash = 0;
  for (const character of pool) hash = (hash * 31 + character.codePointAt(0)!) % 360;
  return pool === "" ? "#b9d3ea" : `hsl(${hash} 55% 72%)`;
}

function shorten(name: string): string {
  return name.length > 15 ? `${name.slice(0, 14)}…` : name;
}
