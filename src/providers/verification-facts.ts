/** Whether a backup server can be asked to verify the archive of a live restore; told in the preview, and no reason to refuse. */
import { locationOf, missingPrivileges, type Route, storeOf, verificationNeeds } from "../migration";
import { isProxmoxError } from "../proxmox";
import { readClusterFacts } from "./cluster-facts";
import type { Session } from "./session";

/** @returns why not; `undefined` where it can, and for moves that restore nothing live */
export async function findUnverified(session: Session, route: Route): Promise<string | undefined> {
  const { verifiedBy, live } = route;
  if (!live || verifiedBy === undefined) return undefined;
  const { sync, readStorage, writeStorage } = storeOf(route);
  const [cluster, storage] = sync ? [route.target, readStorage] : [route.source, writeStorage];
  const definition = (await readClusterFacts(session, cluster)).storages.find((candidate) => candidate.storage === storage);
  const place = definition && locationOf(definition);
  if (!place) return `where storage ${storage} of ${cluster} is on ${verifiedBy} is not visible to its token`;
  const missing = await session.once(`verification ${verifiedBy} ${place.datastore}/${place.namespace}`, async () => {
    try {
      const server = await session.backupServer(verifiedBy);
      return missingPrivileges(await server.getPermissions(), verificationNeeds(place));
    } catch (error) {
      if (isProxmoxError(error)) return undefined;
      throw error;
    }
  });
  if (!missing) return `${verifiedBy} does not answer`;
  const [first] = missing;
  return first && `the account of ${verifiedBy} lacks ${first.privilege} on ${first.paths.join(" or ")}`;
}
