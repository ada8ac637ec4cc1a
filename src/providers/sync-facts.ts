/** What a preflight must know of the backup server that is to pull a move's archive. */
import type { Route, RouteSync, SyncFacts } from "../migration";
import { hasPrivilege } from "../migration";
import { isProxmoxError } from "../proxmox";
import type { Session } from "./session";

export async function readSyncFacts(session: Session, { store }: Route): Promise<{ sync?: SyncFacts | string }> {
  return store?.sync ? { sync: await readSyncServer(session, store.sync) } : {};
}

/** A text where the server cannot be asked: why. */
export function readSyncServer(session: Session, sync: RouteSync): Promise<SyncFacts | string> {
  return session.once(`backup server ${sync.store} for ${sync.remote}`, async (): Promise<SyncFacts | string> => {
    try {
      const server = await session.backupServer(sync.store);
      const permissions = await server.getPermissions();
      // Without that right the question itself is refused; the finding about the right says so.
      const remote = hasPrivilege(permissions, `/remote/${sync.remote}`, "Remote.Audit")
        ? await server.remotes.find(sync.remote)
        : undefined;
      return { permissions, ...(remote ? { remote } : {}) };
    } catch (error) {
      if (isProxmoxError(error)) return error.message;
      throw error;
    }
  });
}
