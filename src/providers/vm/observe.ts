/** From a live configuration to the shape we manage. Pure. */

import { dataDrivesOf, type GuestDrive, parseDescription } from "../../migration";
import { type Drive, findDriveSlot, type GuestConfig, isCloudInit, type Net, parseDrive, parseNet, splitTags } from "../../proxmox";
import { observeDemands } from "./demands";
import { type DiskShape, type GuestShape, isOwnDiskSlot, type NetworkShape } from "./shape";

/** What Proxmox means by a plain key that a configuration leaves out. */
export const ABSENT_MEANS: Record<string, string> = {
  onboot: "0",
  cores: "1",
  sockets: "1",
  cpu: "kvm64",
  memory: "512",
  ostype: "other",
  scsihw: "lsi",
};
const DISK_OPTIONS = ["cache", "discard", "iothread", "ssd"];

/**
 * @param keys the plain keys that are managed; others are the operator's business
 * @param running live power state
 */
export function observeShape(config: GuestConfig, keys: Iterable<string>, running: boolean): GuestShape {
  const { values } = config;
  const scalars: Record<string, string> = {};
  for (const key of keys) {
    const value = values[key] ?? ABSENT_MEANS[key];
    if (value !== undefined) scalars[key] = value;
  }
  const cloudInit = findCloudInit(config)?.storage;
  const { text, mark } = parseDescription(values.description);
  const demands = observeDemands(mark);
  return {
    scalars,
    disks: Object.fromEntries(
      dataDrivesOf(config)
        .filter((drive) => isOwnDiskSlot(drive.slot))
        .map((drive) => [drive.slot, toDiskShape(drive)]),
    ),
    networks: Object.fromEntries(
      Object.entries(values)
        .filter(([key]) => /^net\d+$/.test(key))
        .map(([key, value]) => [key, toNetworkShape(parseNet(value))]),
    ),
    ...(cloudInit === undefined ? {} : { cloudInitStorage: cloudInit }),
    tags: splitTags(values.tags ?? "").sort(),
    text: text.trimEnd(),
    ...(demands === undefined ? {} : { demands }),
    running,
  };
}

function toDiskShape(drive: GuestDrive): DiskShape {
  const options: Record<string, string> = {};
  for (const { key, value } of drive.drive.properties) if (DISK_OPTIONS.includes(key)) options[key] = value;
  return { storage: drive.volid.slice(0, drive.volid.indexOf(":")), sizeBytes: drive.sizeBytes ?? 0, options };
}

function toNetworkShape(net: Net): NetworkShape {
  const option = (name: string) => net.properties.find(({ key }) => key === name)?.value;
  const mtu = option("mtu");
  const firewall = option("firewall");
  return {
    model: net.model,
    bridge: net.bridge ?? "",
    ...(net.tag === undefined ? {} : { vlan: net.tag }),
    ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
    ...(firewall === undefined ? {} : { firewall: firewall === "1" }),
    ...(net.macAddress === undefined ? {} : { mac: net.macAddress }),
  };
}

/** Where its cloud-init drive is: people put it on any bus. */
export function findCloudInit(config: GuestConfig): { slot: string; storage: string } | undefined {
  for (const [slot, value] of Object.entries(config.values)) {
    if (!findDriveSlot(slot) || /^unused/.test(slot)) continue;
    const drive: Drive = parseDrive(slot, value);
    if (isCloudInit(drive) && drive.file.kind === "volume")
      return { slot, storage: drive.file.volid.slice(0, drive.file.volid.indexOf(":")) };
  }
  return undefined;
}
