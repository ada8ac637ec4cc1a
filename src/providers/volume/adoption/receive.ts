/**
 * Taking a volume over from `federate volumes move`, with the owner VM that the command has given its disk: nothing but the
 * marks is written. The PersistentVolume first: once the owner is ours, the next run takes the volume for what it is.
 */
import { formatVolumeMark, MARK_ANNOTATION, VOLUME_LABEL } from "../../../kubernetes";
import { identityTag, ownerVmidOf, writeMark } from "../../../migration";
import { attachAndDescribe, diskContext, requireOwner } from "../../disk/create";
import type { Inputs } from "../../inputs";
import type { Session } from "../../session";
import { volumeContext } from "../context";
import { finishVolume } from "../finish";
import { markOfVolume } from "../kubernetes";
import { readVolumeInputs } from "../state";
import { findAdoptee } from "./adoptee";

/** Safe to repeat. @param persistentVolume of the plan */
export async function receiveVolume(session: Session, inputs: Inputs, persistentVolume: string): Promise<{ id: string; outs: Inputs }> {
  const { __handedOver: _done, adoption: _told, ...owned } = inputs;
  const context = await volumeContext(session, owned);
  const { kubernetes, identity, spec } = context;
  const { placement, __disk } = readVolumeInputs(owned);
  // Anew: it may have moved on, or somebody else may have taken it, since the plan was made.
  const { volid } = await findAdoptee(session, kubernetes, { persistentVolume, takeOwnership: false }, identity);
  session.pace.report(`${spec.name}: taking over PersistentVolume ${persistentVolume} from "federate volumes move"`);
  const found = await session.locate(placement.cluster, ownerVmidOf(volid)!);
  const owner = await requireOwner(found!);
  await kubernetes.patchVolume(persistentVolume, {
    metadata: {
      labels: { [VOLUME_LABEL]: identityTag(identity) },
      annotations: { [MARK_ANNOTATION]: formatVolumeMark(markOfVolume(identity, owner.mark!.generation)) },
    },
  });
  await writeMark(owner, { mark: { ...owner.mark!, ...identity }, text: spec.description, tags: [identityTag(identity)] }, session.pace);
  const disk = await attachAndDescribe(await diskContext(session, __disk), await requireOwner(owner.ref), undefined);
  return { id: `${placement.region}/${owner.ref.vmid}`, outs: await finishVolume(context, disk) };
}
