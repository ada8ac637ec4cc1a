/** Findings about the guest's own configuration. Pure. */
import { findDriveSlot } from "../../proxmox";
import type { PreflightFacts } from "./facts";

/** Keys an older version does not know: it would drop them without a word but a warning in the task (live finding 6). */
const SINCE: Record<string, number> = { "allow-ksm": 9, "intel-tdx": 9, "amd-sev": 8 };

export function guestFindings(facts: PreflightFacts): string[] {
  const { guest, config, versions } = facts;
  const { values } = config;
  const findings: string[] = [];
  // A backup that runs ends by itself, and is waited for.
  if (values.lock !== undefined && values.lock !== "backup")
    findings.push(
      `it is locked (${values.lock}): wait for the task that holds the lock, or have an administrator run "qm unlock ${guest.vmid}"`,
    );
  if (values.parent !== undefined) findings.push(`it has snapshots (${values.parent}), which a backup does not carry: delete them`);
  for (const [key, value] of Object.entries(values)) {
    if (isHostDevice(key, value)) findings.push(`it uses a device of its host (${key}): remove it`);
    if (/^unused\d+$/.test(key)) findings.push(`${key} (${value}) would be left out of the backup: attach or delete it`);
    if (key === "hookscript" || key === "cicustom")
      findings.push(`${key} (${value}) names a file of this cluster, which the other one need not have: remove it`);
    const since = SINCE[key];
    if (versions && since !== undefined && versions.source >= since && versions.target < since)
      findings.push(`${key} is not known to Proxmox VE ${versions.target} of the target and would be dropped: remove it`);
  }
  const machine = /(?:^|,)(?:type=)?(pc-(?:i440fx|q35)-\d+\.\d+)/.exec(values.machine ?? "")?.[1];
  if (versions && machine !== undefined && versions.target < versions.source)
    findings.push(
      `its machine type is pinned to ${machine}, which the older QEMU of the target (Proxmox VE ${versions.target}) may not have: declare machine without a version`,
    );
  return findings;
}

function isHostDevice(key: string, value: string): boolean {
  if (/^(?:hostpci|virtiofs|parallel)\d+$/.test(key)) return true;
  if (/^serial\d+$/.test(key)) return value !== "socket";
  return /^usb\d+$/.test(key) && !/^(?:host=)?spice(?:,|$)/.test(value);
}

export function driveFindings({ config, attachedVolids }: PreflightFacts): string[] {
  const findings: string[] = [];
  for (const [key, value] of Object.entries(config.values)) {
    const slot = findDriveSlot(key);
    if (!slot || slot.bus === "unused") continue;
    const volid = value.split(",")[0]!;
    const backedUp = !/(?:^|,)backup=0(?:,|$)/.test(value);
    const media = /(?:^|,)media=cdrom(?:,|$)/.test(value);
    if (media && /:iso\//.test(volid))
      findings.push(`${key} (${volid}) is an inserted image, which the other cluster need not have: eject it`);
    else if (attachedVolids.has(volid)) {
      // Its own resource moves it; carried along as well it would be there twice (live finding 22).
      if (backedUp) findings.push(`${key} (${volid}) is another guest's disk and would be copied along: set backup=0 on it`);
    } else if (!backedUp) findings.push(`${key} (${volid}) has backup=0 and would be left behind: set backup=1 or remove the disk`);
    else if (/^\//.test(volid)) findings.push(`${key} (${volid}) is a device of its host: remove it`);
  }
  return findings;
}
