/** What would make a move fail later, found before it starts. Collects every finding. Pure. */
import type { Route } from "../route";
import type { PreflightFacts } from "./facts";
import { driveFindings, guestFindings } from "./guest";
import { remoteFindings } from "./remote";
import { sharedImagesFindings } from "./shared-images";
import { storeFindings } from "./store";
import { syncFindings } from "./sync";
import { privilegeFindings, targetFindings } from "./target";

export type { PreflightFacts, RemoteFacts, StorageRoom } from "./facts";
export { pullFindings, type SyncFacts } from "./sync";

/** Every reason why the move cannot work, in words with what to do; empty = go. */
export function preflight(route: Route, facts: PreflightFacts): string[] {
  return [
    ...guestFindings(facts),
    ...(facts.lostDisks ?? []).map((lost) => `${lost}: declare it as it is, or detach it by hand`),
    ...(facts.remote
      ? remoteFindings(route, facts)
      : [...driveFindings(facts), ...(facts.membershipFindings ?? []), ...privilegeFindings(route, facts)]),
    ...targetFindings(route, facts),
    ...sharedImagesFindings(route, facts),
    ...(route.store ? [...storeFindings(route, facts), ...syncFindings(route, facts)] : []),
    ...(facts.clashes ?? []),
  ];
}
