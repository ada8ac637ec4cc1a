/** From the declared VM and its placement to the shape Proxmox shall have. Pure. */
import type { Cluster } from "../../config";
import type { Placement } from "../../placement";
import { formatDemands } from "./demands";
import type { DiskShape, GuestShape, NetworkShape } from "./shape";
import type { VmSpec } from "./spec";

const MIB = 1024 * 1024;
/** LVM, Ceph and most other storages allocate in units of this; a size in between would come back larger. */
const DISK_UNIT_BYTES = 4 * MIB;

export function renderShape(spec: VmSpec, placement: Placement, cluster: Cluster, identityTag: string): GuestShape {
  const demands = formatDemands(spec);
  return {
    scalars: renderScalars(spec),
    disks: Object.fromEntries(spec.disks.map((_, index) => [`scsi${index}`, renderDisk(spec, index, placement, cluster)])),
    networks: Object.fromEntries(spec.networks.map((network, index) => [`net${index}`, renderNetwork(network, cluster)])),
    ...(spec.cloudInit ? { cloudInitStorage: placement.storages[spec.disks.length] } : {}),
    tags: [...new Set([...spec.tags, identityTag])].sort(),
    text: spec.description.trimEnd(),
    ...(demands === undefined ? {} : { demands }),
    running: spec.running,
  };
}

function renderScalars(spec: VmSpec): Record<string, string> {
  const scalars: Record<string, string | undefined> = {
    name: spec.name,
    cores: String(spec.cores),
    sockets: String(spec.sockets),
    cpu: spec.cpuType,
    memory: String(Math.floor(spec.memory / MIB)),
    balloon: spec.balloon === undefined ? undefined : String(Math.floor(spec.balloon / MIB)),
    machine: spec.machine,
    bios: spec.bios,
    ostype: spec.osType,
    scsihw: spec.scsiController,
    agent: spec.agent ? "1" : undefined,
    onboot: spec.onBoot ? "1" : "0",
    startup: spec.startOrder === undefined ? undefined : `order=${spec.startOrder}`,
    boot: spec.disks.length > 0 ? "order=scsi0" : undefined,
    ...renderCloudInit(spec),
  };
  return Object.fromEntries(
    Object.entries(scalars).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""),
  );
}

function renderCloudInit(spec: VmSpec): Record<string, string | undefined> {
  const { cloudInit } = spec;
  if (!cloudInit) return {};
  return {
    ciuser: cloudInit.user,
    // Proxmox keeps the keys URL-encoded in the configuration and takes them that way.
    sshkeys: cloudInit.sshKeys === undefined ? undefined : encodeURIComponent(cloudInit.sshKeys.join("\n")),
    nameserver: cloudInit.nameservers?.join(" "),
    searchdomain: cloudInit.searchDomain,
    ...Object.fromEntries((cloudInit.ipConfigs ?? []).map((config, index) => [`ipconfig${index}`, config])),
  };
}

function renderDisk(spec: VmSpec, index: number, placement: Placement, cluster: Cluster): DiskShape {
  const disk = spec.disks[index]!;
  const options: Record<string, string> = {};
  if (disk.discard) options.discard = "on";
  if (disk.ssd) options.ssd = "1";
  if (disk.ioThread) options.iothread = "1";
  if (disk.cache !== undefined) options.cache = disk.cache;
  const importFrom = index === 0 && spec.image !== undefined ? cluster.images[spec.image] : undefined;
  return {
    storage: placement.storages[index]!,
    sizeBytes: Math.ceil(disk.size / DISK_UNIT_BYTES) * DISK_UNIT_BYTES,
    options,
    ...(importFrom ? { importFrom } : {}),
  };
}

function renderNetwork(network: VmSpec["networks"][number], cluster: Cluster): NetworkShape {
  // A name that is no logical network is a bridge: placement has let only known ones through.
  const known = cluster.network.networks[network.network] ?? { bridge: network.network };
  return {
    model: network.model,
    bridge: known.bridge,
    ...(known.vlan === undefined ? {} : { vlan: known.vlan }),
    ...(known.mtu === undefined ? {} : { mtu: known.mtu }),
    ...(network.firewall === undefined ? {} : { firewall: network.firewall }),
    ...(network.mac === undefined ? {} : { mac: network.mac }),
  };
}
