/** The delete half of a failover: the lost cluster is not contacted, the copy there is left behind with a note on its successor. */
import { describeIdentity, type Identity } from "../../migration";
import { type Session, UserError } from "../session";

/**
 * Whether a guest's cluster is lost, so that nothing can be deleted there.
 * @throws UserError when no successor stands that knows about the copy
 */
export async function leaveOnLostCluster(session: Session, identity: Identity, at: { cluster: string; vmid: number }): Promise<boolean> {
  const { clusters } = await session.federation();
  if (clusters.find(({ id }) => id === at.cluster)?.status !== "lost") return false;
  for (const [id, { reachable }] of (await session.snapshot()).clusters) {
    if (!reachable) continue;
    const successor = (await session.ownedGuestsNow(identity, id)).find(
      ({ mark }) => mark?.phase === "settled" && mark.failover?.from.cluster === at.cluster,
    );
    if (!successor) continue;
    session.pace.report(
      `${identity.name}: vm ${at.vmid} stays on ${at.cluster}, which is lost; vm ${successor.ref.vmid} on ${id} carries a note of it`,
    );
    return true;
  }
  throw new UserError(
    `${describeIdentity(identity)} (vm ${at.vmid}) cannot be deleted: its cluster ${at.cluster} is declared lost and is not contacted, and nothing stands in its place. Delete it when ${at.cluster} is back, or forget it with "pulumi state delete".`,
  );
}
