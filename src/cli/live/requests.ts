/** Guests as they are, as the questions placement answers: what `plan`, `whatif` and `rebalance` move about. Pure. */
import type { Cluster, ResourcePool } from "../../config";
import { storageClassesOf, toPoolPolicy } from "../../inventory";
import { dataDrivesOf, FREE_STACK, isIdentityTag, parseDescription, withoutOurTags } from "../../migration";
import type { PlacementRequest } from "../../placement";
import { type Demands, readDemands } from "../../providers/vm/demands";
import { type GuestConfig, type GuestRow, type Net, parseNet, parseVolid } from "../../proxmox";

const MIB = 1024 * 1024;

/** Placement's name for a guest: its identity, or its vmid where it has none. */
export function keyOfGuest(cluster: string, guest: GuestRow): string {
  return guest.tags.find(isIdentityTag) ?? `${cluster}/${guest.vmid}`;
}

const NOTHING: Demands = { rules: [], residency: [] };

/** What its own Pulumi program demands, as its mark says; `undefined`: it has a program, and that is not known. */
export function ownDemands(guest: GuestRow, { values }: GuestConfig): Demands | undefined {
  const { mark } = parseDescription(values.description);
  if (mark === undefined) return guest.tags.some(isIdentityTag) ? undefined : NOTHING;
  if (mark.stack === FREE_STACK) return NOTHING;
  return mark.kind === "vm" ? readDemands(mark) : undefined;
}

/** What the guest asks for, read from its configuration; where its own demands are not known, by its pool's rules alone. */
export function toLiveRequest(cluster: Cluster, guest: GuestRow, config: GuestConfig, pool: ResourcePool): PlacementRequest {
  const drives = dataDrivesOf(config);
  const disks = drives.map(({ slot, volid, sizeBytes = 0 }) => {
    const { storage } = parseVolid(volid);
    return { name: slot, storage, storageClass: classOf(cluster, storage), sizeBytes };
  });
  return {
    key: keyOfGuest(cluster.id, guest),
    name: guest.name ?? `vm ${guest.vmid}`,
    cores: guest.maxCpu ?? 0,
    memoryMiB: Math.floor((guest.maxMemoryBytes ?? 0) / MIB),
    disks: disks.map(({ name, storageClass, sizeBytes }) => ({ name, storageClass, sizeBytes })),
    networks: [...new Set(netsOf(config).flatMap((net) => networkOf(cluster, net)))],
    pool: toPoolPolicy(pool),
    tags: withoutOurTags(guest.tags),
    ...(ownDemands(guest, config) ?? NOTHING),
    prior: { cluster: cluster.id, node: guest.node, storages: disks.map(({ storage }) => storage) },
    moveBytes: disks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

/** The logical class another cluster may know too; a storage's own name where the file gives it none. */
export function classOf(cluster: Cluster, storage: string): string {
  const declared = Object.entries(cluster.storage.classes).find(([, id]) => id === storage);
  if (declared) return declared[0];
  const derived = storageClassesOf(cluster);
  if (derived[""] === storage) return "";
  return Object.entries(derived).find(([name, id]) => id === storage && name !== storage)?.[0] ?? storage;
}

function netsOf({ values }: GuestConfig): Net[] {
  return Object.entries(values).flatMap(([key, text]) => (/^net\d+$/.test(key) ? [parseNet(text)] : []));
}

export function networkOf(cluster: Cluster, { bridge, tag }: Net): string[] {
  if (bridge === undefined) return [];
  const logical = Object.entries(cluster.network.networks).find(([, network]) => network.bridge === bridge && network.vlan === tag);
  return [logical?.[0] ?? bridge];
}
