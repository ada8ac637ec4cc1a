/** Images on a storage, for plans and refreshes, which only look: each storage of a node is listed once per run. */
import type { GuestRef } from "../migration";
import type { Volume } from "../proxmox";
import type { Session } from "./session";

/** Empty where the token may not see them: Proxmox filters silently (live finding 18). */
export function listImages(session: Session, { api, node }: Pick<GuestRef, "api" | "node">, storage: string): Promise<Volume[]> {
  return session.once(`images ${api.clusterId}/${node}/${storage}`, () => api.storage.listContent(node, storage, { content: "images" }));
}
