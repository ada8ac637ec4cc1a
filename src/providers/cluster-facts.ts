/** What preflights of all moves from or to a cluster need to know of it; asked once per run. */
import type { Permissions, StorageDefinition } from "../proxmox";
import type { Session } from "./session";

export interface ClusterFacts {
  permissions: Permissions;
  /** Those that the token may see. */
  storages: StorageDefinition[];
  /** Major version of Proxmox VE. */
  major: number;
}

export function readClusterFacts(session: Session, cluster: string): Promise<ClusterFacts> {
  return session.once(`facts ${cluster}`, async () => {
    const api = await session.client(cluster);
    const [permissions, storages, { major }] = await Promise.all([api.getPermissions(), api.listStorageDefinitions(), api.getVersion()]);
    return { permissions, storages, major };
  });
}
