/** What QEMU itself tells about a running guest. Nobody measures a simulated one: its counters stay at zero. */
import { type Config, drivesOf } from "./drive";

const operations = ["flush", "rd", "unmap", "wr", "zone_append"];
const withBytes = ["rd", "unmap", "wr", "zone_append"];

/** Counters of every drive with a medium or without. */
export function blockStatistics(config: Config): Record<string, unknown> {
  const counters = [
    ...operations.flatMap((name) => [
      `${name}_operations`,
      `${name}_total_time_ns`,
      `failed_${name}_operations`,
      `invalid_${name}_operations`,
    ]),
    ...withBytes.flatMap((name) => [`${name}_bytes`, `${name}_merged`]),
    "wr_highest_offset",
  ];
  const drive = { ...Object.fromEntries(counters.map((name) => [name, 0])), account_failed: true, account_invalid: true, timed_stats: [] };
  return Object.fromEntries(drivesOf(config).map(({ key }) => [key, drive]));
}

/** What Proxmox's build of QEMU can do for backups. */
export function backupSupport(): Record<string, unknown> {
  const features = [
    "backup-access-api",
    "backup-fleecing",
    "backup-max-workers",
    "pbs-dirty-bitmap",
    "pbs-dirty-bitmap-migration",
    "pbs-dirty-bitmap-savevm",
    "pbs-masterkey",
    "query-bitmap-info",
  ];
  return { ...Object.fromEntries(features.map((name) => [name, true])), "pbs-library-version": "simulated" };
}
