/** Clients for the APIs of backup stores: one per store, made on first use. */
import { type BackupStore, type CredentialEnvironment, readCaFile, resolveBackupServerCredentials } from "../config";
import { type BackupServerApi, createBackupServerClient } from "../proxmox";

export interface BackupServerClients {
  /** The store's client. Rejects when it has no `api` or a credential is missing. */
  get(store: BackupStore): Promise<BackupServerApi>;
  close(): Promise<void>;
}

export function createBackupServerClients(environment: CredentialEnvironment): BackupServerClients {
  const clients = new Map<string, Promise<BackupServerApi>>();
  return {
    get(store) {
      const known = clients.get(store.name);
      if (known) return known;
      const made = connect(store, environment);
      clients.set(store.name, made);
      return made;
    },
    async close() {
      for (const client of await Promise.allSettled(clients.values())) if (client.status === "fulfilled") await client.value.close();
      clients.clear();
    },
  };
}

async function connect(store: BackupStore, environment: CredentialEnvironment): Promise<BackupServerApi> {
  const credentials = await resolveBackupServerCredentials(store, environment);
  const { url, tls, connectTimeoutMs, requestTimeoutMs } = store.api!;
  const ca = tls.caFile === undefined ? undefined : await readCaFile(tls.caFile, environment);
  return createBackupServerClient({
    serverId: store.name,
    url,
    credentials,
    tls: { fingerprint: tls.fingerprint, ca, verify: tls.verify },
    connectTimeoutMs,
    requestTimeoutMs,
  });
}
