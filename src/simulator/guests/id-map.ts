/** Maps of storages or bridges from one place to another: `a:b,c:d`, one id for all, or `1` for the same everywhere. */

export interface IdMap {
  /** `1`: everything keeps its name. */
  identity: boolean;
  entries: Readonly<Record<string, string>>;
  /** For everything without an entry. */
  fallback?: string;
}

/** Throws an Error with Proxmox's text for a map that contradicts itself. */
export function parseIdMap(items: readonly string[]): IdMap {
  const entries: Record<string, string> = {};
  let identity = false;
  let fallback: string | undefined;
  for (const item of items) {
    const [from = "", to] = item.split(":");
    if (item === "1") identity = true;
    else if (to === undefined) {
      if (fallback !== undefined) throw new Error("default target ID can only be provided once.\n");
      fallback = item;
    } else {
      if (entries[from] !== undefined) throw new Error(`duplicate mapping for source '${from}'.\n`);
      entries[from] = to;
    }
  }
  if (identity && (fallback !== undefined || Object.keys(entries).length > 0)) {
    throw new Error("identity mapping cannot be combined with other mappings.\n");
  }
  return { identity, entries, ...(fallback === undefined ? {} : { fallback }) };
}

/** Where an id goes; without an entry it keeps its name. */
export function mapId(map: IdMap, id: string): string {
  return map.entries[id] ?? map.fallback ?? id;
}

/** Every target that the map names. */
export function targetsOf(map: IdMap): string[] {
  return [...Object.values(map.entries), ...(map.fallback === undefined ? [] : [map.fallback])];
}
