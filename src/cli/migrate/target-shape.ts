/** A guest as it shall be on another cluster: the same, on that cluster's storages and bridges. Pure. */
import type { Cluster } from "../../config";
import { dataDrivesOf } from "../../migration";
import { observeShape } from "../../providers/vm/observe";
import { storageOfMostBytes } from "../../providers/vm/restore-storage";
import { type GuestShape, isOwnDiskSlot, type NetworkShape } from "../../providers/vm/shape";
import type { GuestConfig } from "../../proxmox";
import { UsageError } from "../failure";

/**
 * @param storages one per data drive, in their order
 * @throws UsageError when a card's network does not exist there, or a drive cannot be put where it belongs
 */
export function shapeThere(
  config: GuestConfig,
  there: { source: Cluster; target: Cluster; storages: readonly string[]; running: boolean; tags: readonly string[] },
): { shape: GuestShape; restoreStorage: string | undefined } {
  const drives = dataDrivesOf(config);
  const placed = drives.map((drive, index) => ({ ...drive, storage: there.storages[index] ?? there.target.storage.primary ?? "local" }));
  const restoreStorage = storageOfMostBytes(placed);
  const astray = placed.find(({ slot, storage }) => !isOwnDiskSlot(slot) && storage !== restoreStorage);
  if (astray)
    throw new UsageError(
      `drive ${astray.slot} belongs on storage ${astray.storage} of ${there.target.id} and most others on ${restoreStorage}: only drives scsi0 to scsi15 can be put on a storage of their own. Give both storages one class in the federation file.`,
    );
  const observed = observeShape(config, [], there.running);
  const shape: GuestShape = {
    ...observed,
    disks: Object.fromEntries(
      placed.filter(({ slot }) => isOwnDiskSlot(slot)).map(({ slot, storage }) => [slot, { ...observed.disks[slot]!, storage }]),
    ),
    networks: Object.fromEntries(Object.entries(observed.networks).map(([slot, card]) => [slot, cardThere(slot, card, there)])),
    // Restore makes it anew on its own storage.
    ...(observed.cloudInitStorage === undefined || restoreStorage === undefined ? {} : { cloudInitStorage: restoreStorage }),
    tags: [...there.tags].sort(),
  };
  return { shape, restoreStorage: restoreStorage ?? there.target.storage.primary };
}

/** By the logical network the card is on; a bridge without one must exist there under its own name. */
function cardThere(slot: string, card: NetworkShape, { source, target }: { source: Cluster; target: Cluster }): NetworkShape {
  const logical = Object.entries(source.network.networks).find(
    ([, network]) => network.bridge === card.bridge && network.vlan === card.vlan,
  )?.[0];
  const network = logical === undefined ? undefined : target.network.networks[logical];
  if (network) {
    const { vlan: _vlan, mtu: _mtu, ...rest } = card;
    return {
      ...rest,
      bridge: network.bridge,
      ...(network.vlan === undefined ? {} : { vlan: network.vlan }),
      ...(network.mtu === undefined ? {} : { mtu: network.mtu }),
    };
  }
  if (logical === undefined && target.network.bridges.includes(card.bridge)) return card;
  const what =
    logical === undefined ? `bridge ${card.bridge}${card.vlan === undefined ? "" : ` with VLAN ${card.vlan}`}` : `network ${logical}`;
  throw new UsageError(
    `${slot} is on ${what} of ${source.id}, which ${target.id} does not have: declare it under network.networks of both clusters.`,
  );
}
