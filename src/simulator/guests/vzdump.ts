/** `POST /nodes/{node}/vzdump` and reading the configuration inside an archive. */
import { vmidFormat } from "../formats";
import type { Call, Route } from "../kernel";
import type { Era } from "../state";
import { requireVolumeAccess } from "../volumes/access";
import { configText, fail, failParameter, flagParameter, integerParameter, listParameter, placeOf, textParameter } from "../volumes/calls";
import { retentionFormat } from "../volumes/retention";
import { bandwidthRule, nodeRule, optional, optionalFlag, optionalText, storageRule } from "../volumes/rules";
import { getVolume } from "../volumes/volumes";
import { PropertyError, type PropertySchema, parsePropertyString } from "./property-string";
import { type BackupJob, runBackupJob } from "./vzdump-job";

export function vzdumpRoutes(era: Era): Route[] {
  const vmids = { type: "list", optional: true, format: vmidFormat } as const;
  const integer = { type: "integer", optional: true } as const;
  return [
    {
      method: "POST",
      path: "/nodes/{node}/vzdump",
      parameters: {
        node: nodeRule,
        vmid: vmids,
        exclude: vmids,
        all: optionalFlag,
        bwlimit: bandwidthRule,
        compress: { ...optionalText, enum: ["0", "1", "gzip", "lzo", "zstd"] },
        dumpdir: optionalText,
        "exclude-path": { type: "list", optional: true },
        fleecing: { ...optionalText, format: fleecingFormat },
        ionice: { ...integer, minimum: 0, maximum: 8 },
        "job-id": { ...optionalText, maxLength: 50, pattern: /^\S+$/ },
        lockwait: { ...integer, minimum: 0 },
        mailnotification: { ...optionalText, enum: ["always", "failure"] },
        mailto: { type: "list", optional: true },
        mode: { ...optionalText, enum: ["snapshot", "suspend", "stop"] },
        "notes-template": { ...optionalText, maxLength: 1024, requires: "storage" },
        "notification-mode": { ...optionalText, enum: ["auto", "legacy-sendmail", "notification-system"] },
        "pbs-change-detection-mode": { ...optionalText, enum: ["legacy", "data", "metadata"] },
        performance: optionalText,
        pigz: integer,
        pool: optionalText,
        protected: { ...optionalFlag, requires: "storage" },
        "prune-backups": { ...optionalText, format: retentionFormat },
        quiet: optionalFlag,
        remove: optionalFlag,
        script: optionalText,
        stdexcludes: optionalFlag,
        stdout: optionalFlag,
        stop: optionalFlag,
        stopwait: { ...integer, minimum: 0 },
        storage: optional(storageRule),
        tmpdir: optionalText,
        zstd: integer,
        ...(era === "8.4"
          ? {
              maxfiles: { ...integer, minimum: 1 },
              "notification-policy": { ...optionalText, enum: ["always", "failure", "never"] },
              "notification-target": optionalText,
            }
          : {}),
      },
      handler: backUp,
    },
    {
      method: "GET",
      path: "/nodes/{node}/vzdump/extractconfig",
      parameters: { node: nodeRule, volume: { type: "string" } },
      handler: extractConfig,
    },
  ];
}

const fleecingSchema: PropertySchema = {
  properties: {
    enabled: { type: "boolean", optional: true, defaultKey: true },
    storage: { type: "string", optional: true },
  },
};

function fleecingFormat(value: string): string | undefined {
  try {
    const fleecing = parsePropertyString(fleecingSchema, value, "fleecing");
    return fleecing.enabled === "1" && fleecing.storage === undefined ? "'storage' parameter is required when 'enabled' is set" : undefined;
  } catch (error) {
    if (error instanceof PropertyError) return error.message;
    throw error;
  }
}

function requireBackupRights(call: Call): void {
  if (flagParameter(call, "stdout")) failParameter({ stdout: "option is only allowed on the command line interface." });
  for (const key of ["dumpdir", "tmpdir", "script", "job-id"]) {
    if (call.params[key] !== undefined && !call.user.isRoot) failParameter({ [key]: "Only root may set this option." });
  }
  for (const key of ["bwlimit", "ionice", "performance"]) if (call.params[key] !== undefined) call.requirePrivilege("/", ["Sys.Modify"]);
  const storage = textParameter(call, "storage");
  if (storage === undefined) return;
  if (call.params["prune-backups"] !== undefined || call.params.maxfiles !== undefined)
    call.requirePrivilege(`/storage/${storage}`, ["Datastore.Allocate"]);
}

function requireConsistent(call: Call): void {
  const { vmid, all, exclude, pool, stop } = call.params;
  if (all === true && vmid !== undefined) failParameter({ all: "option conflicts with option 'vmid'" });
  if (exclude !== undefined && vmid !== undefined) failParameter({ exclude: "option conflicts with option 'vmid'" });
  if (pool !== undefined && vmid !== undefined) failParameter({ pool: "option conflicts with option 'vmid'" });
  if (vmid === undefined && all !== true && pool === undefined && stop !== true && exclude === undefined)
    failParameter({ vmid: "property is missing" });
  const template = textParameter(call, "notes-template");
  const unknown = template === undefined ? undefined : unknownVariable(template);
  if (unknown) failParameter({ "notes-template": `found unknown: variable '${unknown.name}' at char ${unknown.position}\n` });
}

const noteVariables = ["cluster", "guestname", "node", "vmid"];

function unknownVariable(template: string): { name: string; position: number } | undefined {
  for (const match of template.matchAll(/\{\{([^{}]*)\}\}/g)) {
    if (!noteVariables.includes(match[1]!)) return { name: match[1]!, position: match.index + 4 };
  }
  return undefined;
}

function backUp(call: Call): string {
  requireBackupRights(call);
  requireConsistent(call);
  const place = placeOf(call);
  const { guests } = call.cluster;
  const selected = selectGuests(call);
  // Guests of other nodes are left out without a word; an id of nobody fails in the task.
  const here = selected.filter((vmid) => guests[vmid] === undefined || guests[vmid].node === place.node);
  if (here.length === 0 && !flagParameter(call, "all")) return "OK";
  const storage = textParameter(call, "storage");
  if (storage !== undefined) call.requirePrivilege(`/storage/${storage}`, ["Datastore.AllocateSpace"]);
  const job: BackupJob = {
    vmids: here,
    storage,
    all: selectsAll(call),
    mode: (textParameter(call, "mode") ?? "snapshot") as BackupJob["mode"],
    compress: textParameter(call, "compress"),
    limitKibibytes: integerParameter(call, "bwlimit"),
    notesTemplate: textParameter(call, "notes-template"),
    protected: flagParameter(call, "protected"),
    remove: call.params.remove !== false,
    retention:
      textParameter(call, "prune-backups") ??
      (call.params.maxfiles === undefined ? undefined : `keep-last=${String(call.params.maxfiles)}`),
    stopWaitMinutes: integerParameter(call, "stopwait") ?? 10,
    ionice: integerParameter(call, "ionice") ?? 7,
    conflictingDirectory: call.params.dumpdir !== undefined && storage !== undefined,
    commandLine: commandLine(call),
  };
  return call.startTask({ type: "vzdump", id: here.length === 1 ? String(here[0]) : "" }, (task) => runBackupJob(call, place, job, task));
}

function selectsAll(call: Call): boolean {
  return flagParameter(call, "all") || (call.params.exclude !== undefined && call.params.pool === undefined);
}

function selectGuests(call: Call): number[] {
  const { pools, guests } = call.cluster;
  const pool = textParameter(call, "pool");
  const excluded = listParameter(call, "exclude").map(Number);
  if (pool !== undefined) return (pools[pool] ?? fail(`pool '${pool}' does not exist`)).vms.filter((vmid) => !excluded.includes(vmid));
  if (call.params.vmid !== undefined) return listParameter(call, "vmid").map(Number);
  if (!selectsAll(call)) return [];
  return Object.values(guests)
    .filter((guest) => guest.node === call.localNode && !excluded.includes(guest.vmid))
    .map((guest) => guest.vmid)
    .sort((a, b) => a - b);
}

/** The call as the command that would do the same, for the log. */
function commandLine(call: Call): string {
  const parts = ["vzdump", ...listParameter(call, "vmid")];
  for (const [key, value] of Object.entries(call.params)) {
    if (key === "vmid" || key === "job-id") continue;
    const text = key === "exclude" ? listParameter(call, "exclude").join(",") : configText(value);
    parts.push(`--${key}`, /^[\w!%+,\-./:@^]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  }
  return parts.join(" ");
}

function extractConfig(call: Call): string {
  const volid = textParameter(call, "volume")!;
  requireVolumeAccess(call, volid, { content: "backup" });
  const { archive } = getVolume(placeOf(call), volid).volume;
  return archive?.config ?? fail("Failed to extract config from VMA archive");
}
