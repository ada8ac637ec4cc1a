/** The topology as one HTML file that needs nothing else: no network, no server. Pure. */
import { escapeMarkup } from "../escape";
import { layOut } from "../layout";
import { drawing, STYLE } from "../svg";
import { changeKind, type GuestChange, placeText, type Topology } from "../topology";
import { PAGE_SCRIPT } from "./script";

const PAGE_STYLE = `
:root { color-scheme: light dark; font: 14px system-ui, sans-serif; }
body { margin: 0; display: flex; flex-direction: column; height: 100vh; }
header { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: center; padding: 8px 14px; border-bottom: 1px solid #8884; }
h1 { font-size: 16px; margin: 0; }
header label { display: flex; gap: 6px; align-items: center; }
#stage { flex: 1; overflow: auto; padding: 2px; min-height: 50vh; }
details { border-top: 1px solid #8884; padding: 6px 14px; max-height: 25vh; overflow: auto; }
table { border-collapse: collapse; } td, th { text-align: left; padding: 2px 12px 2px 0; vertical-align: top; }
#found { min-width: 5em; }
#topology.searching .guest { opacity: .15; }
#topology.searching .guest.hit { opacity: 1 !important; }
.guest.hit rect { stroke: #d4006a; stroke-width: 2; }
${STYLE}`;

/** @param made when and from what, one line */
export function topologyPage(topology: Topology, made: string): string {
  const layout = layOut(topology);
  const title = `Federation ${topology.federation}`;
  const { changes } = topology;
  // Nothing is loaded, and nothing but our own script runs: names that slipped through could do no harm.
  const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}"><title>${escapeMarkup(title)}</title><style>${PAGE_STYLE}</style></head>
<body><header><h1>${escapeMarkup(title)}</h1><span>${escapeMarkup(countsOf(topology))}</span>
<label>Search <input id="search" type="search" placeholder="name, vmid, pool, tag" autocomplete="off"></label><output id="found"></output>
${changes.length === 0 ? "" : `<label>Before <input id="when" type="range" min="0" max="100" value="0" aria-label="before or after the planned changes"> after</label><output id="when-label"></output>`}
<span><button id="out" type="button" aria-label="smaller">−</button> <button id="fit" type="button">fit</button> <button id="in" type="button" aria-label="larger">+</button></span>
<small>${escapeMarkup(made)}</small></header>
<div id="stage">${drawing(topology, layout)}</div>
${changes.length === 0 ? "" : changesTable(changes)}
<script>${PAGE_SCRIPT}</script></body></html>
`;
}

function countsOf({ clusters, changes }: Topology): string {
  const nodes = clusters.reduce((sum, cluster) => sum + cluster.nodes.length, 0);
  const guests = clusters.reduce((sum, cluster) => sum + cluster.nodes.reduce((count, node) => count + node.guests.length, 0), 0);
  const kinds = { move: "to move", create: "to create", remove: "to remove" } as const;
  const planned = Object.entries(kinds).flatMap(([kind, words]) => {
    const count = changes.filter((change) => changeKind(change) === kind).length;
    return count === 0 ? [] : [`${count} ${words}`];
  });
  return [`${clusters.length} clusters`, `${nodes} nodes`, `${guests} guests`, ...planned].join(" · ");
}

function changesTable(changes: readonly GuestChange[]): string {
  const rows = changes
    .map(({ name, from, to, why }) => [name, from ? placeText(from) : "new", to ? placeText(to) : "removed", why ?? ""])
    .map((cells) => `<tr>${cells.map((cell) => `<td>${escapeMarkup(cell)}</td>`).join("")}</tr>`);
  return `<details open><summary>Planned changes</summary><table><thead><tr><th>guest</th><th>from</th><th>to</th><th>why</th></tr></thead><tbody>${rows.join("")}</tbody></table></details>`;
}
