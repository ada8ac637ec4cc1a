/** A live VM in the words of a Pulumi program. Pure. */
import { type Cluster, formatSize } from "../../config";
import { dataDrivesOf, parseDescription, withoutOurTags } from "../../migration";
import { ABSENT_MEANS } from "../../providers/vm/observe";
import { driveOption, findDriveSlot, type GuestConfig, type GuestRow, isCloudInit, parseDrive, parseNet, parseVolid } from "../../proxmox";
import { classOf, networkOf } from "../live/requests";

const MIB = 1024 * 1024;

/** Plain JSON: what stands between the braces of `new FederatedVM(name, { … })`. */
export type VmArguments = Record<string, unknown>;

export function toArguments(cluster: Cluster, guest: GuestRow, config: GuestConfig, pool: string | undefined): VmArguments {
  const values: Record<string, string | undefined> = { ...ABSENT_MEANS, ...config.values };
  const { text } = parseDescription(values.description);
  const tags = withoutOurTags(guest.tags);
  return present({
    name: guest.name,
    pool,
    cores: Number(values.cores),
    sockets: values.sockets === "1" ? undefined : Number(values.sockets),
    cpuType: values.cpu?.split(",")[0]?.replace(/^cputype=/, ""),
    memory: formatSize(Number(values.memory?.replace(/^current=/, "")) * MIB),
    balloon: values.balloon === undefined ? undefined : formatSize(Number(values.balloon) * MIB),
    disks: disksOf(cluster, config),
    networks: networksOf(cluster, config),
    cloudInit: cloudInitOf(cluster, config),
    tags: tags.length === 0 ? undefined : tags,
    description: text.trim() === "" ? undefined : text.trimEnd(),
    onBoot: values.onboot === "1",
    startOrder: Number(/(?:^|,)order=(\d+)/.exec(values.startup ?? "")?.[1]) || undefined,
    agent: /^(?:1|enabled=1)/.test(values.agent ?? "") || undefined,
    machine: values.machine,
    osType: values.ostype,
    scsiController: values.scsihw,
    running: guest.status === "running" ? undefined : false,
    adopt: { cluster: cluster.id, vmid: guest.vmid },
  });
}

function disksOf(cluster: Cluster, config: GuestConfig): VmArguments[] {
  return dataDrivesOf(config).map(({ drive, volid, sizeBytes = 0 }) =>
    present({
      size: formatSize(sizeBytes),
      storageClass: classOf(cluster, parseVolid(volid).storage) || undefined,
      discard: driveOption(drive, "discard") === "on" || undefined,
      ssd: driveOption(drive, "ssd") === "1" || undefined,
      ioThread: driveOption(drive, "iothread") === "1" || undefined,
      cache: driveOption(drive, "cache"),
    }),
  );
}

function networksOf(cluster: Cluster, { values }: GuestConfig): VmArguments[] | undefined {
  const cards = Object.keys(values)
    .filter((key) => /^net\d+$/.test(key))
    .sort((a, b) => Number(a.slice(3)) - Number(b.slice(3)))
    .map((key) => {
      const net = parseNet(values[key]!);
      return present({
        network: networkOf(cluster, net)[0],
        model: net.model === "virtio" ? undefined : net.model,
        firewall: net.firewall,
      });
    });
  return cards.length === 0 ? undefined : cards;
}

function cloudInitOf(cluster: Cluster, { values }: GuestConfig): VmArguments | undefined {
  const drive = Object.entries(values)
    .filter(([key]) => findDriveSlot(key))
    .map(([key, value]) => parseDrive(key, value))
    .find(isCloudInit);
  if (drive?.file.kind !== "volume") return undefined;
  const ipConfigs = Object.keys(values)
    .filter((key) => /^ipconfig\d+$/.test(key))
    .sort((a, b) => Number(a.slice(8)) - Number(b.slice(8)))
    .map((key) => values[key]);
  return present({
    user: values.ciuser,
    sshKeys: values.sshkeys === undefined ? undefined : decodeURIComponent(values.sshkeys).trim().split("\n"),
    ipConfigs: ipConfigs.length === 0 ? undefined : ipConfigs,
    nameservers: values.nameserver?.split(" "),
    searchDomain: values.searchdomain,
    storageClass: classOf(cluster, parseVolid(drive.file.volid).storage) || undefined,
  });
}

function present(all: VmArguments): VmArguments {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
