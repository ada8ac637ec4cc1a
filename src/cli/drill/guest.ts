/** The restored copy of a drill: cut off, started, waited for, and removed. */
import {
  destroyGuest,
  type GuestRef,
  type Identity,
  isRestoreWreck,
  type MarkedGuest,
  type Pace,
  parseDescription,
  putConfig,
  readMarkedGuest,
  reclaimOrphans,
  startGuest,
  stopTask,
} from "../../migration";
import { formatNet, type GuestConfig, parseNet, withNetOption } from "../../proxmox";

/** Stack in the marks of drills: no Pulumi program has a stack of this name. */
const DRILL_STACK = "federate/drill";
export const DRILL_TAG = "fed-drill";

/** Of its own, so that nothing takes the copy for the guest. */
export function drillIdentity(federation: string, guest: { cluster: string; vmid: number }): Identity {
  return { federation, stack: DRILL_STACK, kind: "vm", name: `${guest.cluster}/${guest.vmid}` };
}

export function isDrillOf(federation: string, { mark }: Pick<MarkedGuest, "mark">): boolean {
  return mark?.federation === federation && mark.stack === DRILL_STACK;
}

/** Every card on the isolated bridge, without its VLAN. Pure. */
export function isolatedCards({ values }: GuestConfig, bridge: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, text]) => {
      if (!/^net\d+$/.test(key)) return [];
      const net = ["tag", "trunks"].reduce(
        (card, option) => withNetOption(card, option, undefined),
        withNetOption(parseNet(text), "bridge", bridge),
      );
      return [[key, formatNet(net)]];
    }),
  );
}

/**
 * What would reach out of the copy by another way than its cards. `args` may add a card of any kind, a hook script does on the node
 * what it likes, and a restore brings both back (live finding 6); `ivshmem` is memory that the original has too. Pure.
 */
export function findPassthrough({ values }: GuestConfig): string[] {
  return Object.keys(values).filter(
    (key) => /^(?:(?:hostpci|usb|serial|parallel|virtiofs)\d+|args|hookscript|ivshmem)$/.test(key) && values[key] !== "socket",
  );
}

export async function isolate(guest: MarkedGuest, bridge: string, pace: Pace): Promise<void> {
  const found = findPassthrough(guest.config);
  if (found.length > 0)
    throw new Error(`it would reach out of the drill by what it uses of its node (${found.join(", ")}): drill it by hand`);
  await putConfig(guest.ref, { set: { ...isolatedCards(guest.config, bridge), onboot: 0 } }, pace);
  const { values } = await guest.ref.api.qemu.getConfig(guest.ref.node, guest.ref.vmid);
  const outside = Object.entries(values).find(([key, text]) => /^net\d+$/.test(key) && parseNet(text).bridge !== bridge);
  if (outside) throw new Error(`its card ${outside[0]} is still on ${parseNet(outside[1]).bridge ?? "no bridge"}: it is not started`);
}

/** How the copy was found to be alive. */
export type Alive = "agent" | "running";

/** @param settleMs how long a guest without an agent has to stay running */
export async function startAndWait(guest: MarkedGuest, waits: { agentMs: number; settleMs: number }, pace: Pace): Promise<Alive> {
  const { ref, config } = guest;
  await startGuest(ref, pace);
  const deadlineMs = pace.nowMs() + (hasAgent(config) ? waits.agentMs : waits.settleMs);
  while (pace.nowMs() < deadlineMs) {
    pace.signal?.throwIfAborted();
    if (hasAgent(config) && (await ref.api.qemu.pingAgent(ref.node, ref.vmid))) return "agent";
    if ((await ref.api.qemu.getStatus(ref.node, ref.vmid)).status !== "running") throw new Error("it stopped by itself after its start");
    await pace.sleep(1_000);
  }
  if (hasAgent(config)) throw new Error(`its guest agent did not answer within ${waits.agentMs / 1000} s`);
  return "running";
}

function hasAgent({ values }: GuestConfig): boolean {
  return /^(?:enabled=)?1(?:,|$)/.test(values.agent ?? "");
}

/** Removes the copy, whatever has become of it: only what carries the mark of a drill, or is the empty rest of its restore. */
export async function removeDrill(ref: GuestRef, federation: string, pool: string, pace: Pace): Promise<void> {
  await stopTask(ref, "qmrestore", pace);
  const row = (await ref.api.listResources()).find((candidate) => candidate.kind === "guest" && candidate.vmid === ref.vmid);
  const guest = row?.kind === "guest" ? await readMarkedGuest({ ...ref, node: row.node }) : undefined;
  if (row?.kind !== "guest" || !guest) return;
  if (isRestoreWreck(guest, row.pool, pool)) await reclaimOrphans(guest.ref, pace);
  else if (!isDrillOf(federation, guest))
    throw new Error(`vm ${ref.vmid} on ${ref.api.clusterId} does not carry the mark of a drill any more and is left alone`);
  await destroyGuest(guest.ref, pace);
}

/** Copies that killed drills have left on a cluster. */
export async function findLeftovers(api: GuestRef["api"], federation: string): Promise<(GuestRef & { pool: string })[]> {
  const found: (GuestRef & { pool: string })[] = [];
  for (const row of await api.listResources()) {
    if (row.kind !== "guest" || row.guestType !== "qemu") continue;
    const unnamed = row.pool !== undefined && row.status !== "running" && row.tags.length === 0;
    if (!row.tags.includes(DRILL_TAG) && !unnamed) continue;
    const config = await api.qemu.findConfig(row.node, row.vmid);
    if (isDrillOf(federation, parseDescription(config?.values.description)))
      found.push({ api, node: row.node, vmid: row.vmid, pool: row.pool ?? "" });
  }
  return found;
}
