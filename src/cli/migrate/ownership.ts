/** Whose guest it is, and whether this command may move it. Pure. */
import { describeIdentity, FREE_STACK, type Identity, type Mark } from "../../migration";
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
