/** What two servers may answer differently though they behave the same: times, ids, digests, load. */

/** Keys whose numbers depend on the machine or the moment; only their presence is compared. */
const volatileKeys = new Set([
  "avail",
  "cpu",
  "ctime",
  "disk",
  "diskread",
  "diskwrite",
  "endtime",
  "free",
  "mem",
  "memhost",
  "netin",
  "netout",
  "pid",
  "pstart",
  "snaptime",
  "starttime",
  "uptime",
  "used",
  "used_fraction",
]);
/** Counters of block devices; which there are is compared. */
const isCounter = (key: string): boolean => /_(?:ns|bytes|operations|merged|offset)$/.test(key);
/** Sizes of the host and its disks, in rows that are no guest's. */
const hostKeys = new Set(["maxdisk", "maxmem", "maxcpu", "total"]);
/** Comma-separated lists in no particular order. */
const listKeys = new Set(["content", "privs"]);

const patterns: [RegExp, string][] = [
  [/UPID:([^:\s]+):[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:/g, "UPID:$1:<PID>:"],
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<UUID>"],
  [/\b[0-9a-f]{40}\b/g, "<DIGEST>"],
  [/\b(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\b/g, "<FINGERPRINT>"],
  [/\b(?:[0-9A-F]{2}:){5}[0-9A-F]{2}\b/g, "<MAC>"],
  [/\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d/g, "<TIME>"],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "<TIME>"],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "<TIME>"],
  [/creation-qemu=[\d.]+,ctime=\d+/g, "creation-qemu=<V>,ctime=<T>"],
  [/\.conf\.tmp\.\d+/g, ".conf.tmp.<PID>"],
  // Where a machine keeps its temporary files is its own affair.
  [/\/var\/(?:tmp|srv\/dump)\/vzdumptmp\d+/g, "<TMP>"],
  [/vzdumptmp\d+/g, "vzdumptmp<PID>"],
  [/PVE:([^:\s]+):[0-9A-F]{8}::\S+/g, "PVE:$1:<TICKET>"],
];

export function normalizeText(text: string): string {
  return patterns.reduce((result, [pattern, replacement]) => result.replaceAll(pattern, replacement), text);
}

/** A comparable form of an answer's body: keys sorted, lists of objects sorted, volatile values masked. */
export function normalizeBody(value: unknown, key = "", row: Record<string, unknown> = {}): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => normalizeBody(item, key));
    const ordered = items.some((item) => typeof item === "object" && item !== null && "n" in item && "t" in item);
    return ordered ? items : items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (typeof value === "object" && value !== null) {
    const object = value as Record<string, unknown>;
    const entries = Object.keys(object)
      // Only a device that has been used knows how long it has rested since.
      .filter((name) => name !== "idle_time_ns")
      .sort()
      .map((name) => [normalizeText(name), normalizeBody(object[name], name, object)] as const);
    return Object.fromEntries(entries);
  }
  if (volatileKeys.has(key) || (typeof value === "number" && isCounter(key))) return "<volatile>";
  // How well an archive can be compressed depends on what is on the disk.
  if (key === "size" && /\.vma\.(?:zst|gz|lzo)$/.test(String(row.volid))) return "<compressed>";
  if (hostKeys.has(key) && row.vmid === undefined) return "<host>";
  if (key === "pbs-library-version") return "<version>";
  if (key === "value" || key === "ticket" || key === "CSRFPreventionToken" || key === "ssl_fingerprint" || key === "repoid")
    return "<secret>";
  if (typeof value === "string" && listKeys.has(key)) return value.split(",").sort().join(",");
  return typeof value === "string" ? normalizeText(value) : value;
}
