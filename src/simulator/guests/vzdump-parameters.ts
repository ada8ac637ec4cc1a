/** Options of a backup: those of the call and those of a job. */
import { vmidFormat } from "../formats";
import type { Call, ParameterTable } from "../kernel";
import type { Era } from "../state";
import { failParameter } from "../volumes/calls";
import { retentionFormat } from "../volumes/retention";
import { bandwidthRule, optional, optionalFlag, optionalText, storageRule } from "../volumes/rules";
import { PropertyError, type PropertySchema, parsePropertyString } from "./property-string";

export function backupOptions(era: Era): ParameterTable {
  const vmids = { type: "list", optional: true, format: vmidFormat } as const;
  const integer = { type: "integer", optional: true } as const;
  return {
    vmid: vmids,
    exclude: vmids,
    all: optionalFlag,
    bwlimit: bandwidthRule,
    compress: { ...optionalText, enum: ["0", "1", "gzip", "lzo", "zstd"] },
    dumpdir: optionalText,
    "exclude-path": { type: "list", optional: true },
    fleecing: { ...optionalText, format: fleecingFormat },
    ionice: { ...integer, minimum: 0, maximum: 8 },
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
  };
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

/** Throws 400 for options that contradict each other and for a selection of nothing. */
export function requireConsistentOptions(params: Call["params"]): void {
  const { vmid, all, exclude, pool, stop } = params;
  if (all === true && vmid !== undefined) failParameter({ all: "option conflicts with option 'vmid'" });
  if (exclude !== undefined && vmid !== undefined) failParameter({ exclude: "option conflicts with option 'vmid'" });
  if (pool !== undefined && vmid !== undefined) failParameter({ pool: "option conflicts with option 'vmid'" });
  if (vmid === undefined && all !== true && pool === undefined && stop !== true && exclude === undefined)
    failParameter({ vmid: "property is missing" });
  const template = params["notes-template"];
  const unknown = template === undefined ? undefined : unknownVariable(String(template));
  if (unknown) failParameter({ "notes-template": `found unknown: variable '${unknown.name}' at char ${unknown.position}\n` });
}

const noteVariables = ["cluster", "guestname", "node", "vmid"];

function unknownVariable(template: string): { name: string; position: number } | undefined {
  for (const match of template.matchAll(/\{\{([^{}]*)\}\}/g)) {
    if (!noteVariables.includes(match[1]!)) return { name: match[1]!, position: match.index + 4 };
  }
  return undefined;
}
