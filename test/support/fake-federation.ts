/** A federation as the configuration layer would hand it over, with nothing in it but what a test names. */
import { type Cluster, DEFAULT_CAPACITY_RULES, type Federation } from "../../src/config";
import type { GuestRow } from "../../src/proxmox";

export function cluster(id: string, changes: Partial<Cluster> = {}): Cluster {
  return {
    id,
    name: id,
    region: id,
    tier: "primary",
    status: "active",
    tags: [],
    metadata: {},
    capabilities: {},
    network: { bridges: ["vmbr0"], networks: {}, crossConnects: [] },
    storage: { classes: {}, backends: [], replicationTargets: [] },
    images: {},
    templates: {},
    nodes: [],
    prices: {},
    placement: {},
    ...changes,
  };
}

export function federation(changes: Partial<Federation> = {}): Federation {
  return {
    name: "fed",
    clusters: [cluster("a"), cluster("b")],
    resourcePools: [],
    migration: { preMigrationChecks: [], paths: [] },
    backupStores: [],
    failoverPriority: [],
    syncIntervalMs: 60_000,
    healthCheckIntervalMs: 60_000,
    placement: DEFAULT_CAPACITY_RULES,
    ...changes,
  };
}

export function guestRow(changes: Partial<GuestRow> = {}): GuestRow {
  return { kind: "guest", guestType: "qemu", vmid: 100, node: "a1", status: "running", template: false, tags: [], ...changes };
}
