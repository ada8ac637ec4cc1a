/**
 * What a move has brought so far, while its source is out of sight: a claim that holds nothing, or a copy that nobody has verified.
 * Taken for a guest whose creation was interrupted it would be completed with empty disks, beside one that has the data.
 */
import { describeIdentity, type Identity, type Mark, type MarkedGuest } from "../migration";
import { UserError } from "./session";

/** Why the guest of that mark is not gone on with; `undefined`: nothing forbids it. */
export function describeHalfArrived(identity: Identity, at: { cluster: string; vmid: number }, mark: Mark): string | undefined {
  const { phase, source, move } = mark;
  if ((phase !== "claimed" && phase !== "restored") || (!source && !move)) return undefined;
  const from = source ? `${source.cluster} (vm ${source.vmid})` : "another cluster";
  const forGood =
    phase === "claimed"
      ? `If the VM there is gone for good, remove vm ${at.vmid} on ${at.cluster} by hand: it holds nothing`
      : `If the VM there is gone for good, look whether vm ${at.vmid} on ${at.cluster} is complete; then set "phase":"settled" in the proxmox-federation block of its description, or remove it by hand`;
  return `${describeIdentity(identity)} is on its way from ${from}, which cannot be seen now; vm ${at.vmid} on ${at.cluster} is what has arrived so far (phase ${phase}). Run again when that cluster answers. ${forGood}.`;
}

/** @throws UserError with what to do */
export function refuseHalfArrived(identity: Identity, { ref, mark }: MarkedGuest): void {
  const reason = mark && describeHalfArrived(identity, { cluster: ref.api.clusterId, vmid: ref.vmid }, mark);
  if (reason !== undefined) throw new UserError(reason);
}
