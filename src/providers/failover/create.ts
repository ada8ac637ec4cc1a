/** The create half of a failover: restored, brought to its declared shape, started. Run again it ends in the same place. */
import { type Identity, joinAtTarget, type Mark, type MarkedGuest, writeMark } from "../../migration";
import { restoreLostGuest } from "../../migration/failover";
import type { Session } from "../session";
import type { FailoverPlan } from "./plan";

export interface FailoverHere {
  identity: Identity;
  name: string;
  plan: FailoverPlan;
  placement: { cluster: string; node: string };
  pool: string;
  /** Where restore puts every disk. */
  storage: string;
  text: string;
  tags: string[];
  demands?: Mark["demands"];
  onBoot: boolean;
  running: boolean;
  /** Shape without power; called before the guest is started. */
  adapt(guest: MarkedGuest): Promise<void>;
  /** Starts it as declared and waits until it answers. */
  start(guest: MarkedGuest): Promise<void>;
}

export async function failOverHere(session: Session, here: FailoverHere): Promise<{ guest: MarkedGuest; generation: number }> {
  const { identity, name, plan, placement, pool, storage, text, tags, demands } = here;
  const { vmidRange } = await session.cluster(placement.cluster);
  const guest = await session.alone(`failover ${placement.cluster}/${plan.note.from.vmid}`, async () =>
    restoreLostGuest(
      {
        identity,
        name,
        text,
        generation: plan.generation,
        note: plan.note,
        target: { api: await session.client(placement.cluster), node: placement.node, pool, storage, ...(vmidRange ? { vmidRange } : {}) },
      },
      session.pace,
    ),
  );
  await here.adapt(guest);
  const generation = guest.mark?.generation ?? plan.generation;
  // Before the start: a guest that has run is never again taken for a mere restore.
  const mark: Mark = {
    ...identity,
    generation,
    phase: "settled",
    failover: guest.mark?.failover ?? plan.note,
    ...(demands === undefined ? {} : { demands }),
  };
  const settled = await writeMark(guest, { mark, text, tags, set: { onboot: here.onBoot ? 1 : 0 } }, session.pace);
  await here.start(settled);
  if (plan.membership) {
    const { membership, ...names } = plan.membership;
    await joinAtTarget(settled.ref, names, membership, here.running, session.pace);
  }
  return { guest: settled, generation };
}
