/** Diff, refresh and deletion of a disk. */
import { dataDrivesOf, readMarkedGuest, sameIdentity } from "../../migration";
import { leaveOnLostCluster } from "../failover/delete";
import { leaveOldCopy, refuseOldCopies } from "../failover/old-copies";
import { hasUnknown, type Inputs, identityOf, withoutUndefined } from "../inputs";
import {
  destroyLeftBehind,
  destroyRetiredBetween,
  destroyRetiredSources,
  destroyWithArchives,
  leaveKeptSource,
  refuseWithoutSuccessor,
} from "../predecessors";
import { isReturn } from "../return";
import { type Session, UserError } from "../session";
import { destroyUnfinishedTarget } from "../unfinished-target";
import { listedSizeBytes, volidOf } from "./owner";
import { releaseDisk } from "./release";
import { type DiskInputs, readDiskInputs, readDiskOutputs } from "./state";

export function diffDisk(oldOutputs: Inputs, newInputs: Inputs): { changes: boolean; replaces: string[] } {
  if (hasUnknown(newInputs.placement)) return { changes: true, replaces: [] };
  const olds = readDiskOutputs(oldOutputs);
  const news = readDiskInputs(newInputs);
  if (news.placement.cluster !== olds.__at.cluster || isReturn(olds, news)) return { changes: true, replaces: ["placement"] };
  const attachment = (at: DiskInputs["__attachTo"]) => (at ? `${at.cluster}/${at.vmid}` : "");
  const changes =
    news.recovery !== undefined ||
    // To another node; a recorded migration has ended there.
    (news.migration !== undefined && news.placement.node !== olds.__at.node) ||
    news.cleanup !== undefined ||
    // One that was grown by hand, or whose storage rounds up, is larger than declared and stays so.
    news.__sizeBytes > olds.sizeBytes ||
    news.__pool !== olds.__pool ||
    ["name", "discard", "ssd", "ioThread"].some((key) => (newInputs[key] ?? false) !== (oldOutputs[key] ?? false)) ||
    olds.drift !== undefined ||
    attachment(news.__attachTo) !== attachment(olds.__attachTo) ||
    (newInputs.description ?? "") !== (oldOutputs.description ?? "");
  return { changes, replaces: [] };
}

export async function readDisk(session: Session, id: string, props: Inputs): Promise<{ id: string; props: Inputs; inputs?: Inputs }> {
  const federation = await session.federation();
  const identity = identityOf(props, federation.name, "disk");
  const olds = readDiskOutputs(props);
  const snapshot = (await session.snapshot()).clusters.get(olds.__at.cluster);
  if (!snapshot?.reachable) {
    session.pace.report(
      `warning: disk ${identity.name} was not refreshed: ${snapshot?.reason ?? `cluster ${olds.__at.cluster} is not in federation.yaml`}`,
    );
    return { id, props };
  }
  const row = snapshot.guests.find((guest) => guest.vmid === olds.ownerVmid);
  const api = await session.client(olds.__at.cluster);
  const owner = row && (await readMarkedGuest({ api, node: row.node, vmid: row.vmid }));
  if (!row || !owner) return { id: "", props: {} };
  if (!owner.mark || !sameIdentity(owner.mark, identity))
    throw new UserError(
      `vm ${olds.ownerVmid} on ${olds.__at.cluster} no longer carries the mark of disk ${identity.name}. Restore the proxmox-federation block of its description.`,
    );
  const volid = volidOf(owner);
  if (volid === undefined)
    throw new UserError(
      `vm ${olds.ownerVmid} on ${olds.__at.cluster} no longer holds the volume of disk ${identity.name}. It was taken away by hand; look for ${olds.volid}.`,
    );
  const drift: string[] = [];
  if (owner.config.values.template !== "1") drift.push("the owner is not fenced (template)");
  if (owner.config.values.protection !== "1") drift.push("the owner is not protected");
  if (olds.slot !== undefined && !(await isAttached(session, olds, volid))) drift.push(`it is not attached to vm ${olds.__attachTo?.vmid}`);
  const at = { cluster: olds.__at.cluster, node: row.node };
  const { drift: _before, ...rest } = props;
  const outputs = withoutUndefined({
    ...rest,
    placement: { ...olds.placement, ...at },
    __at: at,
    volid,
    sizeBytes: await listedSizeBytes(session, owner.ref, volid),
    ...(drift.length > 0 ? { drift } : {}),
  });
  return { id, props: outputs };
}

async function isAttached(session: Session, olds: ReturnType<typeof readDiskOutputs>, volid: string): Promise<boolean> {
  const at = olds.__attachTo;
  const row = at && (await session.reachable(at.cluster))?.guests.find((guest) => guest.vmid === at.vmid);
  if (!at || !row) return false;
  const config = await (await session.client(at.cluster)).qemu.findConfig(row.node, row.vmid);
  return config !== undefined && dataDrivesOf(config).some((drive) => drive.volid === volid);
}

export async function deleteDisk(session: Session, props: Inputs): Promise<void> {
  const federation = await session.federation();
  const identity = identityOf(props, federation.name, "disk");
  const { ownerVmid, __generation, __pool, __at } = readDiskOutputs(props);
  const { cluster } = __at;
  if (await leaveOnLostCluster(session, identity, { cluster, vmid: ownerVmid })) return;
  const ref = await session.locate(cluster, ownerVmid);
  const owner = ref && (await readMarkedGuest(ref));
  if (!owner?.mark || !sameIdentity(owner.mark, identity) || owner.mark.generation > __generation) return;
  if (await leaveOldCopy(session, identity, owner)) return;
  if (await destroyLeftBehind(session, identity, owner)) return;
  if (owner.mark.phase === "retired") {
    await refuseWithoutSuccessor(session, identity, owner);
    if (await leaveKeptSource(session, owner)) return;
    await destroyRetiredBetween(session, identity, owner);
  }
  if (owner.mark.phase === "settled") await refuseOldCopies(session, identity, owner);
  await releaseDisk(identity.name, owner, session.pace);
  if (owner.mark.phase === "moving") await destroyUnfinishedTarget(session, identity, owner, __pool);
  if (owner.mark.phase === "settled") await destroyRetiredSources(session, identity, owner);
  await destroyWithArchives(session, identity, owner);
}
