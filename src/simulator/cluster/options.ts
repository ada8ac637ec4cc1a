/** datacenter.cfg */
import { listOf } from "../answers";
import { configidFormat } from "../formats";
import { type Property, propertyStringFormat } from "../guests/property-string";
import { ApiError, type Call, type ParameterRule, type ParameterTable, type Route } from "../kernel";
import { splitList } from "../parameters";
import type { Era } from "../state";

const text = { type: "string", optional: true } as const;
const keyboards = [
  "de",
  "de-ch",
  "da",
  "en-gb",
  "en-us",
  "es",
  "fi",
  "fr",
  "fr-be",
  "fr-ca",
  "fr-ch",
  "hu",
  "is",
  "it",
  "ja",
  "lt",
  "mk",
  "nl",
  "no",
  "pl",
  "pt",
  "pt-br",
  "sv",
  "sl",
  "tr",
];

function propertyString(name: string, properties: Record<string, Property>): ParameterRule {
  return { ...text, format: propertyStringFormat({ properties }, name) };
}

const limit: Property = { type: "number", minimum: 0, optional: true };

const settings: ParameterTable = {
  bwlimit: propertyString("bwlimit", { default: limit, restore: limit, migration: limit, clone: limit, move: limit }),
  console: { ...text, enum: ["applet", "vv", "html5", "xtermjs"] },
  crs: text,
  description: { ...text, maxLength: 64 * 1024 },
  email_from: text,
  fencing: { ...text, enum: ["watchdog", "hardware", "both"] },
  ha: text,
  http_proxy: text,
  keyboard: { ...text, enum: keyboards },
  language: text,
  mac_prefix: {
    ...text,
    format: (value) =>
      /^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){0,2}:?$/.test(value) ? undefined : "value is not a valid unicast MAC address prefix",
  },
  max_workers: { type: "integer", minimum: 1, optional: true },
  migration: propertyString("migration", {
    type: { type: "string", enum: ["secure", "insecure"], defaultKey: true, optional: true },
    network: { type: "string", optional: true },
  }),
  "next-id": text,
  notify: text,
  "registered-tags": { ...text, pattern: /^[A-Za-z0-9_][A-Za-z0-9_+.-]*([;,\s][A-Za-z0-9_][A-Za-z0-9_+.-]*)*$/ },
  "tag-style": text,
  "user-tag-access": text,
};

/** Values that come back taken apart; numbers stay text except flags. */
const propertyStrings = new Set(["tag-style", "user-tag-access", "next-id", "migration", "ha", "crs", "notify", "replication"]);
const flags = new Set(["case-sensitive"]);

function readOptions(call: Call): Record<string, unknown> {
  const { options } = call.cluster;
  const registered = splitList(options["registered-tags"] ?? "");
  const allowed = { "allowed-tags": [...allowedTags(call, registered)].sort() };
  if (!call.hasPrivilege("/", "Sys.Audit")) return allowed;
  const answer: Record<string, unknown> = { mac_prefix: "BC:24:11", ...allowed, description: "" };
  for (const [key, value] of Object.entries(options)) {
    if (key === "registered-tags") answer[key] = registered;
    else answer[key] = propertyStrings.has(key) ? takeApart(value) : value;
  }
  return answer;
}

/** Tags the caller may use beside free ones: registered ones, listed ones, and those already on guests the caller sees. */
function allowedTags(call: Call, registered: readonly string[]): Set<string> {
  const access = takeApart(call.cluster.options["user-tag-access"] ?? "user-allow=free");
  const mode = access["user-allow"] ?? "free";
  const allowed = new Set(registered);
  if (mode === "list") for (const tag of (access["user-allow-list"] as string[] | undefined) ?? []) allowed.add(tag);
  if (mode !== "free" && mode !== "existing") return allowed;
  for (const guest of Object.values(call.cluster.guests)) {
    if (guest.config.tags && call.hasPrivilege(`/vms/${guest.vmid}`, "VM.Audit"))
      for (const tag of splitList(guest.config.tags)) allowed.add(tag);
  }
  return allowed;
}

function takeApart(value: string): Record<string, unknown> {
  return Object.fromEntries(
    value.split(",").map((part) => {
      const [key = "", ...rest] = part.split("=");
      const item = rest.join("=");
      return [key, flags.has(key) ? Number(item) : key === "user-allow-list" ? splitList(item) : item];
    }),
  );
}

function changeOptions(call: Call): null {
  const { options } = call.cluster;
  const range = /^lower=(\d+),upper=(\d+)$/.exec(String(call.params["next-id"] ?? ""));
  if (range && Number(range[1]) > Number(range[2])) {
    throw new ApiError(500, `lower (${range[1]}) <= upper (${range[2]}) boundary rule broken`);
  }
  for (const key of listOf(call, "delete")) {
    if (!Object.hasOwn(settings, key) && key !== "replication") throw new ApiError(500, `unknown option '${key}'`);
    delete options[key];
  }
  for (const [key, value] of Object.entries(call.params)) {
    if (key === "delete") continue;
    options[key] = key === "description" ? `${String(value).replace(/\n+$/, "")}\n` : String(value);
  }
  call.world.touch();
  return null;
}

export function optionRoutes(era: Era): Route[] {
  const parameters = { ...settings, ...(era === "9.2" ? { replication: text } : {}) };
  return [
    { method: "GET", path: "/cluster/options", parameters: {}, handler: readOptions },
    {
      method: "PUT",
      path: "/cluster/options",
      permission: (call) => call.requirePrivilege("/", ["Sys.Modify"]),
      parameters: { ...parameters, delete: { type: "list", optional: true, format: configidFormat } },
      handler: changeOptions,
    },
  ];
}
