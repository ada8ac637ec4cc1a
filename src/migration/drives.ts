/** The drives of a guest's configuration and whose volumes they hold. Pure. */
import {
  type Drive,
  driveOption,
  driveSizeBytes,
  driveVolid,
  findDriveSlot,
  type GuestConfig,
  isCdrom,
  isCloudInit,
  parseDrive,
} from "../proxmox";

export interface GuestDrive {
  slot: string;
  drive: Drive;
  volid: string;
  /** Vmid in the volume's name: Proxmox knows ownership by name only. */
  ownerVmid?: number;
  sizeBytes?: number;
  /** False: left out of backups (`backup=0`). */
  backedUp: boolean;
}

/** Every data drive (no CD-ROM, cloud-init, EFI or TPM drive), in the order of the slots. */
export function dataDrivesOf(config: GuestConfig): GuestDrive[] {
  return Object.entries(config.values)
    .flatMap(([key, value]) => {
      const slot = findDriveSlot(key);
      if (!slot || slot.bus === "unused" || slot.bus === "efidisk" || slot.bus === "tpmstate") return [];
      const drive = parseDrive(key, value);
      const volid = driveVolid(drive);
      if (volid === undefined || isCdrom(drive) || isCloudInit(drive)) return [];
      return [
        {
          slot: key,
          drive,
          volid,
          ownerVmid: ownerVmidOf(volid),
          sizeBytes: driveSizeBytes(drive),
          backedUp: driveOption(drive, "backup") !== "0",
        },
      ];
    })
    .sort((a, b) => a.drive.bus.localeCompare(b.drive.bus) || a.drive.index - b.drive.index);
}

/** `local:3000/vm-3000-pvc-data.raw` → 3000, on every storage type that holds disks. */
export function ownerVmidOf(volid: string): number | undefined {
  const name = volid.slice(Math.max(volid.lastIndexOf("/"), volid.indexOf(":")) + 1);
  const match = /^(?:vm|base)-(\d+)-/.exec(name);
  return match ? Number(match[1]) : undefined;
}
