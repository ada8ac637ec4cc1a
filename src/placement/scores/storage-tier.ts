import { storageIds } from "../ask";
import { findStorage } from "../world";
import type { Scorer } from "./scorer";

const TIER_PERMILLE = { nvme: 1000, ssd: 700, hdd: 200 } as const;
const UNKNOWN_PERMILLE = 500;

/** The slowest storage the guest's disks would be on. */
export const storageTier: Scorer = {
  term: "storage-tier",
  measure(ask, node) {
    const storages = storageIds(ask, node.cluster).flatMap((id) => (id === undefined ? [] : [{ id, state: findStorage(node, id) }]));
    const rated = storages.map(({ id, state }) => {
      const performance = state?.facts.performanceTier;
      return {
        id,
        performance: performance ?? "unrated",
        value: performance === undefined ? UNKNOWN_PERMILLE : TIER_PERMILLE[performance],
      };
    });
    const slowest = rated.reduce((worst, storage) => (storage.value < worst.value ? storage : worst), rated[0] ?? NO_DISKS);
    return { value: slowest.value, detail: slowest === NO_DISKS ? "no disks" : `slowest storage ${slowest.id} is ${slowest.performance}` };
  },
};

const NO_DISKS = { id: "", performance: "", value: UNKNOWN_PERMILLE };
