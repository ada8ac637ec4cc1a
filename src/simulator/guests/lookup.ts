/** Finding a guest and the checks that come before any work on it. */
import type { GuestState } from "../kernel";
import { fail, type Place } from "../volumes/calls";
import { configDigest } from "./config-text";

/** The guest, when its config file is on this node. */
export function findGuest(place: Place, vmid: number): GuestState | undefined {
  const guest = place.cluster.guests[vmid];
  return guest?.node === place.node ? guest : undefined;
}

/** A create or clone that fails removes the config file that reserved the id. */
export function giveUpClaim({ cluster, world }: Place, vmid: number): void {
  delete cluster.guests[vmid];
  world.touch();
}

/** Throws `Configuration file '…' does not exist`, also for a guest of another node. */
export function getGuest(place: Place, vmid: number): GuestState {
  return findGuest(place, vmid) ?? fail(`Configuration file 'nodes/${place.node}/qemu-server/${vmid}.conf' does not exist`);
}

/** Throws `VM is locked (…)`. */
export function requireUnlocked(guest: GuestState): void {
  if (guest.config.lock !== undefined) fail(`VM is locked (${guest.config.lock})`);
}

export function requireDigest(guest: GuestState, digest: string | undefined): void {
  if (digest !== undefined && digest !== configDigest(guest)) fail("checksum mismatch (file change by other user?)");
}

/** `what` starts the message: `can't remove VM 100`. */
export function requireUnprotected(guest: GuestState, what: string): void {
  if (guest.config.protection === "1") fail(`${what} - protection mode enabled`);
}

export const isTemplate = (guest: GuestState): boolean => guest.config.template === "1";

/** In MiB. */
export function memoryMebibytes(config: Record<string, string>): number {
  return Number((config.memory ?? "512").replace(/^current=/, ""));
}

export function uuid(randomHex: (digits: number) => string): string {
  const digits = randomHex(32);
  const variant = "89ab"[Number.parseInt(digits[16]!, 16) % 4];
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20)}`;
}

export function poolOf(place: Place, vmid: number): string | undefined {
  return Object.entries(place.cluster.pools).find(([, pool]) => pool.vms.includes(vmid))?.[0];
}

export function addToPool(place: Place, vmid: number, pool: string): void {
  for (const other of Object.values(place.cluster.pools)) other.vms = other.vms.filter((member) => member !== vmid);
  place.cluster.pools[pool]?.vms.push(vmid);
}

export function isHaConfigured(place: Place, vmid: number): boolean {
  return place.cluster.ha.resources[`vm:${vmid}`] !== undefined;
}

/** The HA manager looks after it: power and migration calls only ask for it. */
export function isHaManaged(place: Place, vmid: number): boolean {
  const resource = place.cluster.ha.resources[`vm:${vmid}`];
  return resource !== undefined && resource.state !== "ignored";
}
