/** The federation the sweep breaks: two clusters of two and three nodes of both eras, and what archives go by. */
import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import type { Simulator } from "../../../src/simulator";
import { EXAMPLE_FEDERATION } from "../../support/simulated-federation";

export const HOME = "worldstream-prod";
export const AWAY = "databarn-dr";
export const POOL = "production-pool";

/**
 * A directory that both clusters reach on NFS, a backup server that both reach (`live-pbs`: from which guests start while they
 * are restored), or one at each site of which one pulls from the other (`copies`: on a schedule too, what the pool backs up).
 */
export type SweptStore = "nfs" | "pbs" | "live-pbs" | "two-pbs" | "copies";

const STORE_OF: Record<string, string> = { [HOME]: "vault-home", [AWAY]: "vault-away" };
const TOKEN = "mover@pbs!move";

/** The example without its third cluster. */
export async function sweptFederation(store: SweptStore): Promise<string> {
  const document = parseDocument(await readFile(EXAMPLE_FEDERATION, "utf8"));
  document.deleteIn(["clusters", 2]);
  document.deleteIn(["clusters", 0, "network", "cross_connects", 1]);
  document.deleteIn(["resource_pools", 1]);
  for (const path of [3, 2]) document.deleteIn(["migration_policies", "paths", path]);
  document.set("backup_stores", document.createNode(storesOf(store)));
  if (store === "live-pbs") for (const path of [0, 1]) document.setIn(["migration_policies", "paths", path, "live_restore"], true);
  if (store === "copies")
    document.setIn(["resource_pools", 0, "replication"], {
      schedule: "02:00",
      store: Object.values(STORE_OF),
      sync: { schedule: "04:00" },
    });
  return document.toString();
}

function storesOf(store: SweptStore): object[] {
  if (store === "nfs") return [{ name: "vault", type: store, storages: { [HOME]: "vault", [AWAY]: "vault" } }];
  if (store === "two-pbs" || store === "copies") return [ownStore(HOME, AWAY), ownStore(AWAY, HOME)];
  const storages = {
    [HOME]: { storage: "pbs", from: { [AWAY]: "pbs-databarn" } },
    [AWAY]: { storage: "pbs", from: { [HOME]: "pbs-worldstream" } },
  };
  return [{ name: "vault", type: "pbs", storages, ...(store === "live-pbs" ? { api: apiOf("vault") } : {}) }];
}

function ownStore(own: string, other: string): object {
  const name = STORE_OF[own]!;
  return { name, type: "pbs", storages: { [own]: { storage: "pbs", from: { [other]: "arrivals" } } }, api: apiOf(name) };
}

function apiOf(store: string): object {
  const token = { token_id: TOKEN, token_secret_env: store.toUpperCase().replace("-", "_") };
  return { url: `https://${store}.example`, ...token, ca_file: "x.pem", datastore: "main" };
}

/** The rights that backup jobs take. */
export function grantBackupJobs({ world }: Pick<Simulator, "world">): void {
  for (const id of [HOME, AWAY]) {
    const { access } = world.state.clusters[id]!;
    access.roles.BackupJobs = ["Sys.Modify", "Sys.Audit", "Datastore.Allocate", "VM.Backup"];
    const { subject, kind } = access.acl[0]!;
    for (const path of ["/", "/storage/pbs", "/pool"]) access.acl.push({ path, role: "BackupJobs", subject, kind, propagate: true });
  }
}

/** What the administrator of each backup server does once: the other one may be pulled from. */
export function introduceBackupServers({ backupServers, world }: Pick<Simulator, "backupServers" | "world">): void {
  for (const [to, from] of [
    [AWAY, HOME],
    [HOME, AWAY],
  ]) {
    const source = backupServers.find(({ id }) => id === `pbs-${STORE_OF[from!]}`);
    const target = world.state.backupServers?.[`pbs-${STORE_OF[to!]}`];
    if (!source || !target) continue;
    target.remotes[STORE_OF[from!]!] = { host: source.id, authId: TOKEN, password: source.tokens[TOKEN]! };
  }
}
