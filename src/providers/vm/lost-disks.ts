/** Disks of a live guest that it would lose by becoming what is declared. Pure. */
import { dataDrivesOf } from "../../migration";
import type { GuestConfig } from "../../proxmox";
import { type GuestShape, isOwnDiskSlot } from "./shape";

/** In words, `it has …`; empty: none. Disks only grow, and none goes by being left out. */
export function findLostDisks(config: GuestConfig, declared: GuestShape): string[] {
  return dataDrivesOf(config)
    .filter(({ slot }) => isOwnDiskSlot(slot))
    .flatMap(({ slot, sizeBytes = 0 }) => {
      const wanted = declared.disks[slot];
      if (!wanted) return [`it has ${slot}, which the program does not declare`];
      return sizeBytes <= wanted.sizeBytes ? [] : [`its ${slot} has ${sizeBytes} bytes, more than the declared ${wanted.sizeBytes}`];
    });
}
