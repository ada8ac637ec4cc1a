/** The configuration inside an archive: the text of the guest's file, as Proxmox writes it. Pure. */
import type { GuestConfig } from "../../proxmox";

/** Comment lines are the description, percent-encoded; sections (snapshots, pending changes) are not the guest's present state. */
export function parseArchivedConfig(text: string): GuestConfig {
  const values: Record<string, string> = {};
  const description: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("[")) break;
    if (line.startsWith("#")) {
      // Device map of vzdump, not the user's.
      if (!/^#(?:qmdump#|vzdump#)/.test(line)) description.push(decode(line.slice(1)));
      continue;
    }
    const cut = line.indexOf(":");
    if (cut > 0) values[line.slice(0, cut)] = line.slice(cut + 1).trim();
  }
  if (description.length > 0) values.description = description.join("\n");
  return { digest: "", values };
}

/** Bytes as %XX; what is no such code stays as it is. */
function decode(text: string): string {
  const bytes: Buffer[] = [];
  for (const part of text.split(/(%[0-9A-Fa-f]{2})/))
    bytes.push(/^%[0-9A-Fa-f]{2}$/.test(part) ? Buffer.from(part.slice(1), "hex") : Buffer.from(part, "utf8"));
  return Buffer.concat(bytes).toString("utf8");
}
