/** Federations of any size to draw. */
import type { GuestChange, Topology, TopologyGuest } from "../../src/report/topology";

export function guest(cluster: string, vmid: number, changes: Partial<TopologyGuest> = {}): TopologyGuest {
  return {
    id: `${cluster}/${vmid}`,
    vmid,
    name: `vm-${vmid}`,
    cores: 2,
    memoryMiB: 4096,
    pool: "production",
    tags: ["web"],
    running: true,
    ours: true,
    ...changes,
  };
}

/** Clusters `c0`, `c1`, … with nodes `n0`, `n1`, …; guests are numbered through. */
export function topology(size: { clusters: number; nodes: number; guestsPerNode: number }, changes: GuestChange[] = []): Topology {
  let vmid = 100;
  const clusters = Array.from({ length: size.clusters }, (_, index) => {
    const id = `c${index}`;
    const nodes = Array.from({ length: size.nodes }, (_, position) => ({
      name: `n${position}`,
      online: true,
      capacity: { cores: 100, memoryMiB: 200_000 },
      guests: Array.from({ length: size.guestsPerNode }, () => guest(id, vmid++)),
    }));
    return { id, about: ["Provider", "Amsterdam"], status: "active" as const, nodes };
  });
  return { federation: "acme", clusters, changes };
}

export const MOVE: GuestChange = {
  guest: "c0/100",
  name: "vm-100",
  cores: 2,
  memoryMiB: 4096,
  from: { cluster: "c0", node: "n0" },
  to: { cluster: "c1", node: "n1" },
  why: "c0 is draining",
};
