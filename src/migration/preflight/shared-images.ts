/** Findings about images that two clusters keep on one storage: equal vmids there destroy each other's disks. Pure. */
import { parseVolid, type StorageDefinition } from "../../proxmox";
import { dataDrivesOf } from "../drives";
import type { Route } from "../route";
import type { PreflightFacts } from "./facts";

/** What of a definition says where a storage of several clusters really is. */
const PLACE: Record<string, readonly string[]> = {
  nfs: ["server", "export", "subdir"],
  cifs: ["server", "share", "subdir"],
  glusterfs: ["server", "volume"],
  rbd: ["monhost", "pool", "namespace"],
  cephfs: ["monhost", "fs-name", "subdir"],
};

export function sharedImagesFindings(route: Route, facts: PreflightFacts): string[] {
  const { guest, config, images } = facts;
  if (!images || images.targetVolids.length === 0) return [];
  const at = facts.targetNode === undefined ? route.target : `${route.target}/${facts.targetNode}`;
  if (!facts.vmidTaken)
    return [
      `${images.targetVolids.join(", ")} on ${at} carries the number of vm ${guest.vmid}, though ${route.target} has no such guest: if both clusters use that storage, give each one of its own; if it is left over, remove it ("pvesm free")`,
    ];
  const names = new Set(images.targetVolids.map((volid) => parseVolid(volid).volname));
  const shared = dataDrivesOf(config)
    .map(({ volid }) => parseVolid(volid))
    .filter(({ volname }) => names.has(volname))
    .flatMap(({ storage }) => {
      const here = images.source.find((definition) => definition.storage === storage);
      const place = here && placeOf(here);
      return images.target.filter((there) => place !== undefined && placeOf(there) === place).map((there) => ({ storage, there, place }));
    });
  const [first] = shared;
  return first === undefined
    ? []
    : [
        `storage ${first.storage} of ${route.source} and ${first.there.storage} of ${route.target} are the same place (${first.place}), and both clusters have a vm ${guest.vmid}: equal vmids on one storage destroy each other's disks. Give each cluster a storage of its own`,
      ];
}

function placeOf({ type, raw }: StorageDefinition): string | undefined {
  const keys = PLACE[type];
  const values = keys?.map((key) => raw[key]).filter((value): value is string => typeof value === "string");
  return values === undefined || values.length === 0 ? undefined : [type, ...values].join(" ");
}
