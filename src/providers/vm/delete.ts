/** Destroys a VM that is ours: the declared one, or the retired source of a move whose successor stands. */
import { type MarkedGuest, readMarkedGuest, sameIdentity } from "../../migration";
import { leaveOnLostCluster } from "../failover/delete";
import { leaveOldCopy, refuseOldCopies } from "../failover/old-copies";
import { type Inputs, identityOf } from "../inputs";
import {
  destroyLeftBehind,
  destroyRetiredBetween,
  destroyRetiredSources,
  destroyWithArchives,
  leaveKeptSource,
  refuseTwin,
  refuseWithoutSuccessor,
} from "../predecessors";
import { refuseSealed, refuseUnsettled } from "../sealed-sources";
import { type Session, UserError } from "../session";
import { destroyUnfinishedTarget } from "../unfinished-target";
import { readVmOutputs } from "./state";

export async function deleteVm(session: Session, props: Inputs): Promise<void> {
  const federation = await session.federation();
  const identity = identityOf(props, federation.name, "vm");
  const { vmid, __at, __generation, __pool } = readVmOutputs(props);
  if (await leaveOnLostCluster(session, identity, { cluster: __at.cluster, vmid })) return;
  const ref = await session.locate(__at.cluster, vmid);
  const guest = ref && (await readMarkedGuest(ref));
  // Gone, or the vmid belongs to somebody else by now.
  if (!guest?.mark || !sameIdentity(guest.mark, identity)) return;
  // A later create has taken this guest over: it is not the one this delete is about.
  if (guest.mark.generation > __generation) return;
  if (await leaveOldCopy(session, identity, guest)) return;
  if (await destroyLeftBehind(session, identity, guest)) return;
  refuseUnsettled(identity, guest);
  if (guest.mark.phase === "retired") {
    await refuseWithoutSuccessor(session, identity, guest);
    if (await leaveKeptSource(session, guest)) return;
    await destroyRetiredBetween(session, identity, guest);
  } else refuseProtected(guest);
  if (guest.mark.phase === "moving") await destroyUnfinishedTarget(session, identity, guest, __pool);
  if (guest.mark.phase === "settled") {
    await refuseOldCopies(session, identity, guest);
    await refuseTwin(session, identity, guest);
    await refuseSealed(session, identity, guest);
    await destroyRetiredSources(session, identity, guest);
  }
  await destroyWithArchives(session, identity, guest);
}

/** Not ours to take off: somebody has put it there by hand. The former copy of a guest that has moved is another matter. */
function refuseProtected({ ref, config, mark }: MarkedGuest): void {
  if (config.values.protection !== "1") return;
  throw new UserError(
    `VM ${mark?.name} is not destroyed: vm ${ref.vmid} on ${ref.api.clusterId}/${ref.node} is protected in Proxmox. Take the protection off there (Options, or "qm set ${ref.vmid} --protection 0"), then run again.`,
  );
}
