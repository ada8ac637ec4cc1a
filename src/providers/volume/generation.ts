/** The generation of a volume's owner, by which the PersistentVolumes of two places can be told apart. */
import { type MarkedGuest, writeMark } from "../../migration";
import type { Session } from "../session";

/** A new generation, so that the PersistentVolume of the former zone can be told from the one of the new. */
export async function raiseGeneration(session: Session, owner: MarkedGuest, generation: number): Promise<MarkedGuest> {
  const mark = owner.mark!;
  return mark.generation >= generation ? owner : writeMark(owner, { mark: { ...mark, generation } }, session.pace);
}
