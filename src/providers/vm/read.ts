/** Refresh: what the live guest looks like, in one call beside the run's look at its cluster. */
import { type Identity, readMarkedGuest, sameIdentity } from "../../migration";
import { type Inputs, identityOf, withoutUndefined } from "../inputs";
import { type OwnedGuest, type Session, UserError } from "../session";
import { observeShape } from "./observe";
import { macAddressesOf } from "./outputs";
import { compareShapes, describeDifference } from "./shape";
import { readVmOutputs } from "./state";

export interface ReadResult {
  id: string;
  props: Inputs;
  inputs?: Inputs;
}

const GONE: ReadResult = { id: "", props: {} };
const OUTPUT_ONLY = ["vmid", "macAddresses", "addresses", "lastMove", "__at", "__generation", "__observed"];

export async function readVm(session: Session, id: string, props: Inputs): Promise<ReadResult> {
  const federation = await session.federation();
  const identity = identityOf(props, federation.name, "vm");
  const olds = readVmOutputs(props);
  const snapshot = (await session.snapshot()).clusters.get(olds.__at.cluster);
  if (!snapshot?.reachable) {
    session.pace.report(
      `warning: ${identity.name} was not refreshed: ${snapshot?.reason ?? `cluster ${olds.__at.cluster} is not in federation.yaml`}`,
    );
    return { id, props };
  }
  const owned = await findLive(session, identity, olds.__at.cluster, olds.vmid);
  if (!owned) return GONE;
  const api = await session.client(owned.cluster);
  const guest = await readMarkedGuest({ api, node: owned.row.node, vmid: owned.row.vmid });
  if (!guest) return GONE;
  if (!guest.mark || !sameIdentity(guest.mark, identity))
    throw new UserError(
      `vm ${owned.row.vmid} on ${owned.cluster} no longer carries the mark of ${identity.name}. Restore the proxmox-federation block of its description, or remove the resource from the state with "pulumi state delete".`,
    );
  const running = await isRunning(session, owned, olds.__observed.running);
  const observed = observeShape(guest.config, Object.keys(olds.__desired.scalars), running);
  const drift = compareShapes(olds.__desired, observed).map(describeDifference);
  const { drift: _before, ...rest } = props;
  const at = { cluster: owned.cluster, node: owned.row.node };
  const outputs = withoutUndefined({
    ...rest,
    placement: { ...olds.placement, ...at },
    __at: at,
    vmid: owned.row.vmid,
    macAddresses: macAddressesOf(guest.config),
    __observed: observed,
    ...(drift.length > 0 ? { drift } : {}),
  });
  // Drift shows through the inputs, which is what the engine prints; without drift they stay as they are.
  if (drift.length === 0) return { id, props: outputs };
  const inputs = Object.fromEntries(Object.entries(outputs).filter(([key]) => !OUTPUT_ONLY.includes(key)));
  // The next check tells by it what the update restarts the guest for, and which disks would be lost.
  return { id, props: outputs, inputs: { ...inputs, __desired: observed } };
}

/** The guest the state knows, else one of the same identity elsewhere (an operator's migration). */
async function findLive(session: Session, identity: Identity, cluster: string, vmid: number): Promise<OwnedGuest | undefined> {
  const row = (await session.reachable(cluster))?.guests.find((guest) => guest.vmid === vmid);
  const owned = await session.ownedGuests(identity);
  return owned.find((guest) => guest.cluster === cluster && guest.row.vmid === vmid) ?? (row ? { cluster, row } : owned[0]);
}

/** The list is up to ten seconds old: where it disagrees with the last known state the guest itself is asked. */
async function isRunning(session: Session, owned: OwnedGuest, before: boolean): Promise<boolean> {
  if (owned.row.status !== "unknown" && (owned.row.status === "running") === before) return before;
  const api = await session.client(owned.cluster);
  return (await api.qemu.getStatus(owned.row.node, owned.row.vmid)).status === "running";
}
