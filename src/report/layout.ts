/** Where everything is drawn, in pixels. A guest that moves has a cell on both sides, so nothing else shifts with it. Pure. */
import { changeKind, type Place, placeText, type Topology, type TopologyCluster, type TopologyGuest, type TopologyNode } from "./topology";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  width: number;
  height: number;
  clusters: ClusterBox[];
}

export interface ClusterBox extends Box {
  cluster: TopologyCluster;
  nodes: NodeBox[];
}

export interface NodeBox extends Box {
  node: TopologyNode;
  cells: Cell[];
}

/** Room for one guest. */
export interface Cell extends Box {
  guest: CellGuest;
  /** A mover's target and a new guest are only there after, a mover's source and one that goes only before. */
  when: "always" | "before" | "after";
  /** Index of the change. */
  change?: number;
}

export type CellGuest = Pick<TopologyGuest, "name" | "cores" | "memoryMiB"> & Partial<TopologyGuest>;

/** Names are written into the cells as long as they can be read. */
const LABELLED_GUESTS = 60;
const PAGE_WIDTH = 1800;
export const GAP = 12;
export const CLUSTER_HEAD = 44;
export const NODE_HEAD = 44;

interface Grain {
  cellWidth: number;
  cellHeight: number;
  nodeWidth: number;
}

export function layOut(topology: Topology): Layout {
  const guests = topology.clusters.reduce((sum, { nodes }) => sum + nodes.reduce((count, node) => count + node.guests.length, 0), 0);
  const grain = grainOf(guests + topology.changes.length);
  const cells = cellsByPlace(topology);
  const boxes = topology.clusters.map((cluster) => clusterBox(cluster, cells, grain));
  return flow(boxes);
}

export function isLabelled(cell: Cell): boolean {
  return cell.width >= 60;
}

function grainOf(guests: number): Grain {
  if (guests <= LABELLED_GUESTS) return { cellWidth: 104, cellHeight: 20, nodeWidth: 232 };
  if (guests <= 600) return { cellWidth: 14, cellHeight: 14, nodeWidth: 176 };
  return { cellWidth: 8, cellHeight: 8, nodeWidth: 128 };
}

type Unplaced = Omit<Cell, keyof Box>;

function cellsByPlace({ clusters, changes }: Topology): Map<string, Unplaced[]> {
  const leaving = new Map(changes.flatMap(({ guest, from }, index) => (guest !== undefined && from ? [[guest, index]] : [])));
  const cells = new Map<string, Unplaced[]>();
  const guestById = new Map<string, TopologyGuest>();
  for (const { id, nodes } of clusters)
    for (const { name, guests } of nodes) {
      const place = placeText({ cluster: id, node: name });
      cells.set(
        place,
        guests.map((guest) => {
          guestById.set(guest.id, guest);
          const change = leaving.get(guest.id);
          return change === undefined ? { guest, when: "always" } : { guest, when: "before", change };
        }),
      );
    }
  for (const [index, change] of changes.entries()) {
    if (changeKind(change) === "remove" || !change.to) continue;
    const guest = (change.guest === undefined ? undefined : guestById.get(change.guest)) ?? change;
    cells.get(placeText(change.to))?.push({ guest: { ...guest }, when: "after", change: index });
  }
  return cells;
}

function clusterBox(cluster: TopologyCluster, cells: Map<string, Unplaced[]>, grain: Grain): ClusterBox {
  const columns = Math.max(
    1,
    Math.min(Math.ceil(Math.sqrt(cluster.nodes.length * 1.5)), Math.floor(PAGE_WIDTH / (grain.nodeWidth + GAP)) - 1),
  );
  const nodes: NodeBox[] = [];
  let y = CLUSTER_HEAD;
  for (let start = 0; start < cluster.nodes.length; start += columns) {
    const row = cluster.nodes.slice(start, start + columns).map((node, column) => {
      const place: Place = { cluster: cluster.id, node: node.name };
      return nodeBox(node, cells.get(placeText(place)) ?? [], grain, GAP + column * (grain.nodeWidth + GAP), y);
    });
    const height = Math.max(...row.map((box) => box.height));
    nodes.push(...row.map((box) => ({ ...box, height })));
    y += height + GAP;
  }
  const width = Math.max(260, GAP + Math.min(columns, Math.max(1, cluster.nodes.length)) * (grain.nodeWidth + GAP));
  return { cluster, nodes, x: 0, y: 0, width, height: Math.max(y, CLUSTER_HEAD + GAP) };
}

function nodeBox(node: TopologyNode, unplaced: Unplaced[], grain: Grain, x: number, y: number): NodeBox {
  const inner = grain.nodeWidth - 2 * 8;
  const columns = Math.max(1, Math.floor((inner + 2) / (grain.cellWidth + 2)));
  const cells = unplaced.map((cell, index) => ({
    ...cell,
    x: 8 + (index % columns) * (grain.cellWidth + 2),
    y: NODE_HEAD + Math.floor(index / columns) * (grain.cellHeight + 2),
    width: grain.cellWidth,
    height: grain.cellHeight,
  }));
  const rows = Math.ceil(unplaced.length / columns);
  return { node, cells, x, y, width: grain.nodeWidth, height: NODE_HEAD + rows * (grain.cellHeight + 2) + 8 };
}

/** Clusters side by side, in rows. */
function flow(boxes: ClusterBox[]): Layout {
  let x = GAP;
  let y = GAP;
  let rowHeight = 0;
  let width = 0;
  const clusters = boxes.map((box) => {
    if (x > GAP && x + box.width > PAGE_WIDTH) {
      x = GAP;
      y += rowHeight + 2 * GAP;
      rowHeight = 0;
    }
    const placed = { ...box, x, y };
    x += box.width + 2 * GAP;
    rowHeight = Math.max(rowHeight, box.height);
    width = Math.max(width, x);
    return placed;
  });
  return { width: Math.max(width, 320), height: y + rowHeight + GAP, clusters };
}
