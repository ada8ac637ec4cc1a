import { listWords } from "../amounts";
import { storageIds } from "../ask";
import type { Shortfall } from "../model";
import type { ClusterFilter } from "./filter";

/** Every disk's storage class means a storage on the cluster. */
export const storageClass: ClusterFilter = {
  name: "storage-class",
  check(ask, cluster) {
    const { facts } = cluster;
    const ids = storageIds(ask, cluster);
    const missing = new Set(ask.request.disks.filter((_, index) => ids[index] === undefined).map((disk) => disk.storageClass));
    return [...missing].map((name): Shortfall => {
      const known = Object.keys(facts.storageClasses)
        .filter((candidate) => candidate !== "")
        .sort();
      return name === ""
        ? {
            text: `${facts.id} has no primary storage for disks without a storage class`,
            summary: "without a primary storage",
            remedy: `set storage.primary_storage of ${facts.id} or give the disk a storage class`,
            ifOthersMove: false,
          }
        : {
            text: `${facts.id} has no storage class ${name} (it has ${listWords(known) || "none"})`,
            summary: `without storage class ${name}`,
            remedy: `map storage class ${name} in storage.classes of ${facts.id}`,
            ifOthersMove: false,
          };
    });
  },
};
