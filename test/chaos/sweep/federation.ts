/** The federation the sweep breaks: two clusters of two and three nodes of both eras, and a store both reach. */
import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { EXAMPLE_FEDERATION } from "../../support/simulated-federation";

export const HOME = "worldstream-prod";
export const AWAY = "databarn-dr";
export const POOL = "production-pool";

/** The example without its third cluster; the store is a directory on NFS, or a backup server. */
export async function sweptFederation(store: "nfs" | "pbs"): Promise<string> {
  const document = parseDocument(await readFile(EXAMPLE_FEDERATION, "utf8"));
  document.deleteIn(["clusters", 2]);
  document.deleteIn(["clusters", 0, "network", "cross_connects", 1]);
  document.deleteIn(["resource_pools", 1]);
  for (const path of [3, 2]) document.deleteIn(["migration_policies", "paths", path]);
  const storages =
    store === "nfs"
      ? { [HOME]: "vault", [AWAY]: "vault" }
      : {
          [HOME]: { storage: "pbs", from: { [AWAY]: "pbs-databarn" } },
          [AWAY]: { storage: "pbs", from: { [HOME]: "pbs-worldstream" } },
        };
  document.set("backup_stores", document.createNode([{ name: "vault", type: store, storages }]));
  return document.toString();
}
