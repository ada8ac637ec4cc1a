/**
 * Taking over a VM that exists already: only at the program's explicit word, only one that nobody else owns, and only as
 * what it is. Nothing of it is changed before it carries our mark.
 */
import {
  dataDrivesOf,
  FREE_STACK,
  type Identity,
  identityTag,
  type MarkedGuest,
  readMarkedGuest,
  sameIdentity,
  withoutOurTags,
  writeMark,
} from "../../migration";
import type { Inventory, Placement } from "../../placement";
import { type GuestRow, parseVolid } from "../../proxmox";
import { type Session, UserError } from "../session";
import { whyNotDescribable } from "./describable";
import { findLostDisks } from "./lost-disks";
import { observeShape } from "./observe";
import { compareShapes, describeChange, type GuestShape } from "./shape";
import { showList } from "./shown";

export interface Adoptee {
  cluster: string;
  row: GuestRow;
  guest: MarkedGuest;
  /** Where it is, disk by disk. */
  prior: Placement;
}

/** @throws UserError when there is no such VM, or it is somebody else's */
export async function findAdoptee(
  session: Session,
  adopt: { cluster: string; vmid: number },
  identity: Identity,
  pool: string,
): Promise<Adoptee> {
  const { cluster, vmid } = adopt;
  const what = `adopt: vm ${vmid} on ${cluster}`;
  await session.cluster(cluster);
  const entry = (await session.snapshot()).clusters.get(cluster);
  if (!entry?.reachable) throw new UserError(`${what} cannot be looked at: ${entry?.reason ?? "the cluster is not in federation.yaml"}.`);
  const row = entry.guests.find((candidate) => candidate.vmid === vmid);
  if (!row) throw new UserError(`${what} does not exist, or the credentials may not see it.`);
  if (row.guestType !== "qemu") throw new UserError(`${what} is a container; only VMs can be taken over.`);
  if (row.template) throw new UserError(`${what} is a template; only VMs can be taken over.`);
  if (row.pool !== undefined && row.pool !== pool)
    throw new UserError(
      `${what} is in pool ${row.pool}, and the program puts it into ${pool}: take it out of there first, or name that pool.`,
    );
  const api = await session.client(cluster);
  const guest = await readMarkedGuest({ api, node: row.node, vmid });
  if (!guest) throw new UserError(`${what} has left ${row.node} just now: run again.`);
  refuseForeign(what, guest, identity);
  const strange = whyNotDescribable(guest.config);
  if (strange !== undefined) throw new UserError(`${what} cannot be taken over: ${strange}.`);
  const storages = dataDrivesOf(guest.config).map(({ volid }) => parseVolid(volid).storage);
  const { cloudInitStorage } = observeShape(guest.config, [], false);
  return {
    cluster,
    row,
    guest,
    prior: { cluster, node: row.node, storages: cloudInitStorage === undefined ? storages : [...storages, cloudInitStorage] },
  };
}

function refuseForeign(what: string, { mark }: MarkedGuest, identity: Identity): void {
  if (mark === undefined || sameIdentity(mark, identity)) return;
  if (mark.federation === identity.federation && mark.stack === FREE_STACK && mark.kind === "vm" && mark.phase === "settled") return;
  throw new UserError(
    `${what} belongs to ${mark.name} of stack ${mark.stack} (federation ${mark.federation}). Remove it from that stack first ("pulumi state delete" there, then the proxmox-federation block of its description).`,
  );
}

/** The inventory with the guest under its future name: what it holds is not asked for a second time. */
export function withKey(inventory: Inventory, { cluster, row }: Adoptee, key: string): Inventory {
  const clusters = inventory.clusters.map((facts) =>
    facts.id !== cluster
      ? facts
      : {
          ...facts,
          nodes: facts.nodes.map((node) =>
            node.name !== row.node
              ? node
              : { ...node, guests: node.guests.map((guest) => (guest.vmid === row.vmid ? { ...guest, key } : guest)) },
          ),
        },
  );
  return { ...inventory, clusters };
}

export function observeAdoptee({ row, guest }: Adoptee, declared: GuestShape): GuestShape {
  return observeShape(guest.config, Object.keys(declared.scalars), row.status === "running");
}

/** For the preview: that it is taken over, and what the update will change about it. */
export function describeAdoption(adoptee: Adoptee, declared: GuestShape): string {
  const { cluster, row } = adoptee;
  const changes = compareShapes(declared, observeAdoptee(adoptee, declared)).filter(({ path }) => path !== "tags" && path !== "demands");
  const what = `vm ${row.vmid} on ${cluster}/${row.node} is taken over as it is`;
  return changes.length === 0 ? what : showList(`${what}, then changed: `, changes.map(describeChange));
}

/** Why it cannot become what is declared; it is taken over where it is, with all it has. */
export function refuseAdoption(adoptee: Adoptee, placement: Placement, declared: GuestShape): string | undefined {
  const { cluster, row, prior } = adoptee;
  const what = `vm ${row.vmid} on ${cluster}/${row.node}`;
  if (placement.cluster !== prior.cluster || placement.node !== prior.node)
    return `${what} would have to leave for ${placement.cluster}/${placement.node} by the rules: take it over where it is first (without the rule, or with a pin), then let it move`;
  const [lost] = findLostDisks(adoptee.guest.config, declared);
  if (lost !== undefined) return `${what} cannot be taken over: ${lost}`;
  const moved = prior.storages.findIndex((storage, index) => placement.storages[index] !== storage);
  return moved === -1
    ? undefined
    : `${what} has disk ${moved} on storage ${prior.storages[moved]}, and its storage class means ${placement.storages[moved]}: declare the class of the storage it is on`;
}

/** Puts our mark on it, and it into the pool. Safe to repeat. */
export async function takeOver(
  session: Session,
  adopt: { cluster: string; vmid: number },
  { identity, generation, pool, text }: { identity: Identity; generation: number; pool: string; text: string },
): Promise<MarkedGuest> {
  const { guest, row } = await findAdoptee(session, adopt, identity, pool);
  session.pace.report(`${identity.name}: taking over vm ${adopt.vmid} on ${adopt.cluster}`);
  if (row.pool === undefined) await guest.ref.api.pools.addGuest(pool, adopt.vmid);
  const mark = { ...identity, generation: Math.max(generation, (guest.mark?.generation ?? 0) + 1), phase: "settled" as const };
  await writeMark(guest, { mark, text, tags: [...withoutOurTags(row.tags), identityTag(identity)] }, session.pace);
  const taken = await readMarkedGuest(guest.ref);
  if (!taken?.mark)
    throw new Error(
      `vm ${adopt.vmid} on ${adopt.cluster} has lost the mark that was written on it: something else changes its description.`,
    );
  return taken;
}
