/** The options of a call as a guest's config has them. */
import type { Call } from "../kernel";
import { splitList } from "../parameters";
import { configText, fail } from "../volumes/calls";
import type { Config } from "./drive";
import { isNetKey, parseNet, printNet, withMac } from "./net";
import { findOption } from "./options";
import { normalizeTags } from "./tags";

/** Keys of guest options only; `cdrom` is `ide2`, descriptions are in their normal form, tags unless asked otherwise. */
export function settingsOf(call: Call, options: { rawTags?: boolean } = {}): Config {
  const settings: Config = {};
  for (const [key, value] of Object.entries(call.params)) {
    if (!findOption(call.cluster.era, key)) continue;
    settings[key === "cdrom" ? "ide2" : key] = configText(value);
  }
  if (settings.tags !== undefined) {
    const tags = splitList(settings.tags);
    settings.tags = options.rawTags ? tags.join(";") : normalizeTags(call.cluster, tags);
  }
  // Only trailing white space is lost on the way through the config file.
  if (settings.description !== undefined) settings.description = settings.description.replace(/\s+$/, "");
  if (settings.sshkeys !== undefined) requireSshKeys(settings.sshkeys);
  return settings;
}

/** Every network card gets an address. */
export function withRandomMacs(call: Call, settings: Config): Config {
  const nets = Object.entries(settings)
    .filter(([key]) => isNetKey(key))
    .map(([key, value]) => [key, printNet(withMac(call.world, parseNet(value, key)))]);
  return { ...settings, ...Object.fromEntries(nets) };
}

function requireSshKeys(encoded: string): void {
  const keys = decodeURIComponent(encoded)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (!keys.every(isSshKey)) fail("SSH public key validation error");
}

/** The blob of a public key starts with the length and name of its type. */
function isSshKey(line: string): boolean {
  const match = /(?:^|\s)((?:ssh|ecdsa|sk)-[a-z0-9@.-]+)\s+([A-Za-z0-9+/]+=*)/.exec(line);
  if (!match) return false;
  const blob = Buffer.from(match[2]!, "base64");
  const type = match[1]!;
  return blob.length > 4 + type.length && blob.readUInt32BE(0) === type.length && blob.subarray(4, 4 + type.length).toString() === type;
}
