/** Whose guest it is, and whether this command may move it. Pure. */
import { describeIdentity, FREE_STACK, type GuestAddress, type Identity, type Mark } from "../../migration";
import type { Whereabouts } from "../../providers/whereabouts";
import { UsageError } from "../failure";

/** @throws UsageError when the guest is somebody's who must move it */
export function identityFor(
  mark: Mark | undefined,
  guest: { federation: string; cluster: string; vmid: number },
  handOver: boolean,
): Identity {
  if (mark === undefined) return { federation: guest.federation, stack: FREE_STACK, kind: "vm", name: `${guest.cluster}/${guest.vmid}` };
  const identity: Identity = { federation: mark.federation, stack: mark.stack, kind: mark.kind, name: mark.name };
  const what = `vm ${guest.vmid} on ${guest.cluster}`;
  if (mark.federation !== guest.federation)
    throw new UsageError(`${what} belongs to the federation ${mark.federation}, not to ${guest.federation}: move it from there.`);
  if (mark.kind === "disk")
    throw new UsageError(`${what} only owns the disk of ${describeIdentity(identity)}, which moves with its stack.`);
  if (mark.stack !== FREE_STACK && !handOver)
    throw new UsageError(
      `${what} is ${describeIdentity(identity)}, which owns it. Move it there (\`pin\` in the program, or drain the cluster, then \`pulumi up\`), or pass --hand-over: it is moved now, and the stack takes it where it is with its next \`pulumi refresh\`.`,
    );
  return identity;
}

/**
 * What a move or a failover has left carries the guest's mark too. Moved like the guest it would make a second one of it; only the
 * source of the very move that has brought the guest to where it is may go on.
 * @throws UsageError when it is no guest to be moved
 */
export function refuseFormerCopy(mark: Mark, at: GuestAddress, { home, outdated = [] }: Whereabouts): void {
  const isAt = (place: Partial<GuestAddress> | undefined, other: GuestAddress) =>
    place?.cluster === other.cluster && place.vmid === other.vmid;
  const now = home && { cluster: home.cluster, vmid: home.row.vmid };
  const isOutdated = outdated.some((copy) => isAt(copy, at));
  if (now && !isOutdated && (isAt(at, now) || isAt(mark.successor ?? mark.move?.target, now))) return;
  if (!now && mark.phase !== "retired") return;
  const instead = now
    ? `which is vm ${now.vmid} on ${now.cluster} now: move that one (--from ${now.cluster})`
    : "and what came after it cannot be seen: look again when every cluster answers";
  throw new UsageError(`vm ${at.vmid} on ${at.cluster} is a former copy of ${describeIdentity(mark)}, ${instead}.`);
}
