/** Tags of a guest: normal form and who may set which. */
import { ApiError, type Call, type ClusterState } from "../kernel";
import { splitList } from "../parameters";

/** Lower-cased, sorted, without duplicates; a list of nothing is stored as one blank. */
export function normalizeTags(cluster: ClusterState, tags: readonly string[]): string {
  const style = styleOf(cluster);
  const cased = style["case-sensitive"] === "1" ? tags : tags.map((tag) => tag.toLowerCase());
  const unique = [...new Set(cased)];
  if (style.ordering !== "config") unique.sort();
  return unique.length === 0 ? " " : unique.join(";");
}

function styleOf(cluster: ClusterState): Record<string, string> {
  return pairsOf(cluster.options["tag-style"]);
}

function pairsOf(text: string | undefined): Record<string, string> {
  return Object.fromEntries((text ?? "").split(",").map((pair) => pair.split("=", 2) as [string, string]));
}

/** Throws 403 for a tag that the caller may neither add nor take away. */
export function requireTagPrivileges(call: Call, vmid: number, oldTags: string | undefined, newTags: string | undefined): void {
  call.requirePrivilege(`/vms/${vmid}`, ["VM.Config.Options"]);
  if (call.hasPrivilege("/", "Sys.Modify")) return;
  const before = splitList(oldTags ?? "");
  const after = splitList(newTags ?? "");
  const changed = [...before.filter((tag) => !after.includes(tag)), ...after.filter((tag) => !before.includes(tag))];
  const access = pairsOf(call.cluster.options["user-tag-access"]);
  const registered = splitList(call.cluster.options["registered-tags"] ?? "");
  const listed = splitList(access["user-allow-list"] ?? "");
  // Registered tags are for administrators; the others depend on what users may do.
  const forbidden = changed.find((tag) => registered.includes(tag) || !isFree(call.cluster, access["user-allow"] ?? "free", listed, tag));
  if (forbidden !== undefined) throw new ApiError(403, `Permission check failed (/, Sys.Modify for modifying tag '${forbidden}')`);
}

function isFree(cluster: ClusterState, allow: string, listed: readonly string[], tag: string): boolean {
  if (listed.includes(tag) || allow === "free") return true;
  if (allow !== "existing") return false;
  return Object.values(cluster.guests).some((guest) => splitList(guest.config.tags ?? "").includes(tag));
}
