/** From a declared VM and its place to the attributes of `proxmox_virtual_environment_vm`. Pure. */
import type { Cluster } from "../../config";
import type { Placement } from "../../placement";
import type { VmSpec } from "../../providers/vm/spec";
import { SynthError } from "../errors";
import type { Attributes } from "./hcl";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** @param tag marks the VM so that the next look at the clusters finds it */
export function toAttributes(spec: VmSpec, placement: Placement, cluster: Cluster, tag: string): Attributes {
  return {
    name: spec.name,
    node_name: placement.node,
    // Without it the provider destroys and creates the VM when its node changes.
    migrate: true,
    pool_id: spec.pool,
    // Proxmox keeps tags sorted; any other order would be a difference for ever.
    tags: [...new Set([...spec.tags, tag])].sort(),
    description: spec.description === "" ? undefined : spec.description,
    cpu: { cores: spec.cores, sockets: spec.sockets, type: spec.cpuType },
    memory: {
      dedicated: Math.floor(spec.memory / MIB),
      ...(spec.balloon === undefined ? {} : { floating: Math.floor(spec.balloon / MIB) }),
    },
    disk: spec.disks.map((disk, index) => diskOf(spec, disk, index, placement, cluster)),
    boot_order: spec.disks.length > 0 ? ["scsi0"] : undefined,
    network_device: spec.networks.map((network) => networkOf(network, cluster)),
    initialization: spec.cloudInit && initializationOf(spec.name, spec.cloudInit, storageAt(spec, placement, spec.disks.length)),
    agent: { enabled: spec.agent, ...(spec.agent ? { timeout: `${spec.agentTimeoutSeconds}s` } : {}) },
    bios: spec.bios,
    machine: spec.machine,
    operating_system: { type: spec.osType },
    scsi_hardware: spec.scsiController,
    on_boot: spec.onBoot,
    started: spec.running,
    startup: spec.startOrder === undefined ? undefined : { order: spec.startOrder },
    timeout_shutdown_vm: spec.shutdown.timeoutSeconds,
  };
}

function storageAt(spec: VmSpec, placement: Placement, index: number): string {
  const storage = placement.storages[index];
  if (storage === undefined)
    throw new SynthError("PLACEMENT", [`${spec.name}: no storage is known for its disk ${index} on ${placement.cluster}.`]);
  return storage;
}

function diskOf(spec: VmSpec, disk: VmSpec["disks"][number], index: number, placement: Placement, cluster: Cluster): Attributes {
  if (disk.size % GIB !== 0)
    throw new SynthError("INPUT", [
      `${spec.name}: disks[${index}].size is ${disk.size} bytes: the Terraform provider takes whole GiB. Write it like "32GiB".`,
    ]);
  return {
    interface: `scsi${index}`,
    datastore_id: storageAt(spec, placement, index),
    size: disk.size / GIB,
    discard: disk.discard ? "on" : undefined,
    ssd: disk.ssd,
    iothread: disk.ioThread,
    cache: disk.cache,
    import_from: index === 0 && spec.image !== undefined ? cluster.images[spec.image] : undefined,
  };
}

function networkOf(network: VmSpec["networks"][number], cluster: Cluster): Attributes {
  // A name that is no logical network is a bridge: placement has let only known ones through.
  const known = cluster.network.networks[network.network] ?? { bridge: network.network };
  return {
    bridge: known.bridge,
    model: network.model,
    vlan_id: known.vlan,
    mtu: known.mtu,
    mac_address: network.mac,
    firewall: network.firewall,
  };
}

function initializationOf(name: string, cloudInit: NonNullable<VmSpec["cloudInit"]>, storage: string): Attributes {
  const { user, sshKeys, ipConfigs, nameservers, searchDomain } = cloudInit;
  return {
    datastore_id: storage,
    user_account: user === undefined && sshKeys === undefined ? undefined : { username: user, keys: sshKeys },
    dns: nameservers === undefined && searchDomain === undefined ? undefined : { servers: nameservers, domain: searchDomain },
    ip_config: ipConfigs?.map((text, index) => ipConfigOf(text, `${name}: cloudInit.ipConfigs[${index}]`)),
  };
}

/** `ip=10.0.0.5/24,gw=10.0.0.1,ip6=…,gw6=…`, as Proxmox takes it. */
function ipConfigOf(text: string, where: string): Attributes {
  const parts = new Map(text.split(",").map((part) => part.split("=", 2) as [string, string | undefined]));
  const wrong = [...parts].find(([key, value]) => !["ip", "gw", "ip6", "gw6"].includes(key) || value === undefined || value === "");
  if (wrong) throw new SynthError("INPUT", [`${where} is "${text}": write it like "ip=dhcp" or "ip=10.0.0.5/24,gw=10.0.0.1".`]);
  const family = (address: string, gateway: string): Attributes | undefined =>
    parts.has(address) || parts.has(gateway) ? { address: parts.get(address), gateway: parts.get(gateway) } : undefined;
  return { ipv4: family("ip", "gw"), ipv6: family("ip6", "gw6") };
}
