/** What a preflight must know of the backup server that is to pull a move's archive. */
import type { Route, SyncFacts } from "../migration";
import { hasPrivilege } from "../migration";
import { isProxmoxError } from "../proxmox";
import type { Session } from "./session";

/** A text where the server cannot be asked: why. */
export async function readSyncFacts(session: Session, { store }: Route): Promise<{ sync?: SyncFacts | string }> {
  const sync = store?.sync;
  if (!sync) return {};
  const facts = await session.once(`backup server ${sync.store} for ${sync.remote}`, async (): Promise<SyncFacts | string> => {
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
  return { sync: facts };
}
