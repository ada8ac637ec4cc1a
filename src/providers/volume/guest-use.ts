/** Which guests of a Proxmox cluster have a volume. */
import { ownerVmidOf } from "../../migration";
import {
  driveVolid,
  findDriveSlot,
  type GuestConfig,
  type GuestRow,
  inParallel,
  isProxmoxError,
  type ProxmoxApi,
  parseDrive,
} from "../../proxmox";
import type { Session } from "../session";

/** A guest names a volume in that slot. */
interface Naming {
  vmid: number;
  slot: string;
  volid: string;
}

/** A pass over the guests, and the one after it that those who ask meanwhile share. */
interface Flight {
  pass: Promise<Naming[]>;
  next?: Promise<Naming[]>;
}

/**
 * Looks at the guests of one cluster for all volumes of a run. A look is a pass over every guest of the node, so those who
 * ask at the same moment share one, which begins after they have asked: many volumes cost not much more than one.
 */
export class GuestUse {
  private readonly flights = new Map<string, Flight>();
  /** What templates name, by node, vmid and name. */
  private readonly templates = new Map<string, Naming[]>();

  constructor(private readonly api: ProxmoxApi) {}

  /**
   * Guests, other than the owner, whose configuration names the volume or still lets go of it, as `vm 101 (scsi1)`. By the
   * exact volid: `pvc-1` is no part of `pvc-10`. A template is read once in a run: it never runs, and most guests here are
   * owners of disks, which are templates.
   *
   * @param zone the node of a volume that is local to it: on other nodes the same volid is another volume
   */
  async find(volid: string, zone?: string): Promise<string[]> {
    return usersOf(volid, await this.share(zone, false));
  }

  /** The same with everything read anew: before a disk is destroyed. */
  async findNow(volid: string, zone?: string): Promise<string[]> {
    return usersOf(volid, await this.share(zone, true));
  }

  private share(zone: string | undefined, anew: boolean): Promise<Naming[]> {
    const key = JSON.stringify([zone, anew]);
    const flight = this.flights.get(key);
    const start = () => this.start(key, zone, anew);
    if (!flight) return start();
    // The pass under way may have read already what was changed since: only the one after it answers this question.
    flight.next ??= flight.pass.then(start, start);
    return flight.next;
  }

  private start(key: string, zone: string | undefined, anew: boolean): Promise<Naming[]> {
    const flight: Flight = { pass: this.look(zone, anew) };
    const end = () => {
      if (this.flights.get(key) === flight) this.flights.delete(key);
    };
    this.flights.set(key, flight);
    flight.pass.then(end, end);
    return flight.pass;
  }

  private async look(zone: string | undefined, anew: boolean): Promise<Naming[]> {
    const rows = await this.api.listResources();
    const guests = rows.filter((row) => row.kind === "guest" && row.guestType === "qemu" && (zone === undefined || row.node === zone));
    const found = await inParallel(guests as GuestRow[], async (row) => {
      if (!row.template || anew) return this.read(row);
      const key = `${row.node}/${row.vmid}/${row.name}`;
      const known = this.templates.get(key) ?? (await this.read(row));
      this.templates.set(key, known);
      return known;
    });
    return found.flat();
  }

  /** The configuration shows what is wanted; what a running guest still holds shows among what is pending. */
  private async read({ node, vmid }: GuestRow): Promise<Naming[]> {
    const config = await this.api.qemu.findConfig(node, vmid);
    if (!config) return this.readElsewhere(node, vmid);
    const named = Object.entries(config.values).flatMap(([key, value]) => namingOf(vmid, key, value));
    // A template never runs, so it holds nothing beyond its configuration.
    return config.values.template === "1" ? named : [...named, ...(await this.readPending(node, vmid, config))];
  }

  /** Deleted since it was listed, or sent to another node: then it has its volumes there. */
  private async readElsewhere(former: string, vmid: number): Promise<Naming[]> {
    const rows = await this.api.listResources();
    const guest = rows.find((row): row is GuestRow => row.kind === "guest" && row.vmid === vmid);
    return guest && guest.node !== former ? this.read(guest) : [];
  }

  private async readPending(node: string, vmid: number, { values }: GuestConfig): Promise<Naming[]> {
    try {
      const pending = await this.api.qemu.listPending(node, vmid);
      return pending.flatMap(({ key, value }) => (value === undefined || values[key] === value ? [] : namingOf(vmid, key, value)));
    } catch (error) {
      if (isProxmoxError(error, "NOT_FOUND")) return this.readElsewhere(node, vmid);
      throw error;
    }
  }
}

function namingOf(vmid: number, slot: string, value: string): Naming[] {
  const volid = findDriveSlot(slot) === undefined ? undefined : driveVolid(parseDrive(slot, value));
  return volid === undefined ? [] : [{ vmid, slot, volid }];
}

function usersOf(volid: string, namings: readonly Naming[]): string[] {
  const owner = ownerVmidOf(volid);
  // In several slots of one guest the first tells enough.
  const slots = new Map<number, string>();
  for (const { vmid, slot, volid: named } of namings) if (named === volid && vmid !== owner && !slots.has(vmid)) slots.set(vmid, slot);
  return [...slots].map(([vmid, slot]) => `vm ${vmid} (${slot})`).sort();
}

/** One per cluster and provider process. */
export function guestUseOf(session: Session, cluster: string): Promise<GuestUse> {
  return session.once(`guest use ${cluster}`, async () => new GuestUse(await session.client(cluster)));
}
