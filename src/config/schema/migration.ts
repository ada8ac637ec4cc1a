import { z } from "zod";
import type { MigrationMethod, Weekday } from "../model";
import { isTimezone, WEEKDAYS } from "../windows";
import { bandwidth, clusterId, logicalName, refined, storageId, text, ValueError } from "./scalars";

const method = () =>
  z
    .enum(["backup-restore", "storage", "storage-migration", "offline"])
    .transform((value): MigrationMethod => (value === "storage-migration" ? "storage" : value));

const weekday = z.enum(WEEKDAYS as [Weekday, ...Weekday[]]);

/** Minutes after midnight. */
const timeOfDay = (latest: number) =>
  refined(z.union([z.string(), z.number()], { error: "must be a time such as 22:00" }), (value) => {
    const match = typeof value === "string" ? /^(\d{1,2}):(\d{2})$/.exec(value) : null;
    const minutes = match ? Number(match[1]) * 60 + Number(match[2]) : Number.NaN;
    if (!match || Number(match[2]) > 59 || !(minutes <= latest))
      throw new ValueError(`${JSON.stringify(value)} is not a time of day`, 'Write hours and minutes in quotes, for example "22:00".');
    return minutes;
  });

const timezone = refined(text(), (value) => {
  if (!isTimezone(value))
    throw new ValueError(`${JSON.stringify(value)} is not a time zone`, "Use an IANA name such as Europe/Amsterdam, or UTC.");
  return value;
});

const migrationWindow = refined(
  z.strictObject({
    days: z.array(weekday).min(1, "must name at least one day").optional().describe("Days on which the window starts; default: every day."),
    start: timeOfDay(24 * 60 - 1).describe("Local time, hh:mm."),
    end: timeOfDay(24 * 60).describe("Local time, hh:mm, at most 24:00. Not after start: on the next day."),
    timezone: timezone.optional().describe("IANA name; default UTC."),
  }),
  ({ days, start, end, timezone: zone }) => {
    if (start === end) throw new ValueError("the window starts when it ends", 'Write start "00:00" and end "24:00" for a whole day.');
    return { days: WEEKDAYS.filter((day) => days?.includes(day) ?? true), startMinute: start, endMinute: end, timezone: zone ?? "UTC" };
  },
);

const path = z.strictObject({
  source_cluster: clusterId(),
  target_cluster: clusterId(),
  method: method().optional().describe("Default: default_method."),
  max_bandwidth: bandwidth().optional().describe("For example 500Mbps."),
  compression_enabled: z.boolean().optional().describe("Default true."),
  encryption_required: z.boolean().optional().describe("Default false."),
  backup_store: logicalName().optional().describe("Name of a backup store; default: the only one both clusters reach."),
  migration_window: migrationWindow.optional().describe("When a move may start; default: that of migration_policies."),
});
export type MigrationPathFile = z.output<typeof path>;

export const migrationPolicies = z.strictObject({
  default_method: method().optional().describe("Method of routes without a path. Absent: such moves are refused."),
  pre_migration_checks: z
    .array(z.enum(["verify_network_connectivity", "check_storage_compatibility", "validate_vm_configuration", "ensure_backup_exists"]))
    .optional(),
  paths: z.array(path).optional(),
  migration_window: migrationWindow.optional().describe("When moves may start; absent: at any time."),
});
export type MigrationPoliciesFile = z.output<typeof migrationPolicies>;

export const backupStore = z.strictObject({
  name: logicalName(),
  type: z.enum(["pbs", "nfs", "cifs", "dir"]),
  storages: z
    .record(
      clusterId(),
      z.union([
        storageId(),
        z.strictObject({
          storage: storageId().describe("Storage id under which this cluster writes its archives."),
          from: z
            .record(clusterId(), storageId())
            .optional()
            .describe("Source cluster → storage id under which this cluster sees that cluster's archives."),
        }),
      ]),
    )
    .describe("Cluster id → its storage id for the store."),
});
export type BackupStoreFile = z.output<typeof backupStore>;
