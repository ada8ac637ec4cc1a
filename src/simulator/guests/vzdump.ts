/** `POST /nodes/{node}/vzdump` and reading the configuration inside an archive. */
import type { Call, Route } from "../kernel";
import type { Era } from "../state";
import { requireVolumeAccess } from "../volumes/access";
import { configText, fail, failParameter, flagParameter, integerParameter, listParameter, placeOf, textParameter } from "../volumes/calls";
import { nodeRule, optionalFlag, optionalText } from "../volumes/rules";
import { getVolume } from "../volumes/volumes";
import { keyProblem } from "./encryption";
import { type BackupJob, runBackupJob } from "./vzdump-job";
import { backupOptions, requireConsistentOptions } from "./vzdump-parameters";

export function vzdumpRoutes(era: Era): Route[] {
  return [
    {
      method: "POST",
      path: "/nodes/{node}/vzdump",
      parameters: {
        ...backupOptions(era),
        node: nodeRule,
        "job-id": { ...optionalText, maxLength: 50, pattern: /^\S+$/ },
        stdout: optionalFlag,
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

function backUp(call: Call): string {
  requireBackupRights(call);
  requireConsistentOptions(call.params);
  const place = placeOf(call);
  const { guests } = call.cluster;
  const selected = selectGuests(call);
  // Guests of other nodes are left out without a word; an id of nobody fails in the task.
  const here = selected.filter((vmid) => guests[vmid] === undefined || guests[vmid].node === place.node);
  if (here.length === 0 && !flagParameter(call, "all")) return "OK";
  const storage = textParameter(call, "storage");
  if (call.params.dumpdir === undefined) call.requirePrivilege(`/storage/${storage ?? "local"}`, ["Datastore.AllocateSpace"]);
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
  const { storage, volume } = getVolume(placeOf(call), volid);
  const { archive } = volume;
  const keyError = archive && keyProblem(storage, archive);
  if (keyError) fail(`proxmox-backup-client failed: Error: ${keyError}`);
  return archive?.config ?? fail("Failed to extract config from VMA archive");
}
