import { formatBytes, listWords } from "../amounts";
import { storageIds } from "../ask";
import { storageAvailableBytes } from "../capacity";
import { storageForecastWords } from "../forecast-words";
import type { Shortfall } from "../model";
import { findStorage, heldAt, storageNeeds } from "../world";
import type { NodeFilter } from "./filter";

/** The node sees each disk's storage, and each storage has room for the disks that are to be new on it. */
export const storageSpace: NodeFilter = {
  name: "storage",
  dynamic: true,
  check(ask, node) {
    const ids = storageIds(ask, node.cluster).map((id) => id ?? "");
    const shortfalls: Shortfall[] = [];
    for (const id of new Set(ids)) {
      if (findStorage(node, id) === undefined) shortfalls.push(unseen(id, node.key, node.facts.name, node.cluster.facts.id));
    }
    for (const [storage, needed] of storageNeeds(ask.request, ids, heldAt(ask.request, ask.held, node), node)) {
      const rules = node.cluster.facts.capacityRules;
      const available = storageAvailableBytes(storage.facts, rules, storage.usedBytes, storage.allocatedBytes);
      if (needed <= available) continue;
      const name = storage.facts.storage;
      const disks = listWords(ask.request.disks.filter((_, index) => ids[index] === name).map((disk) => disk.name));
      shortfalls.push({
        text: `storage ${name} of ${node.key} has ${formatBytes(available)} available, ${formatBytes(needed)} needed for ${disks}${storageForecastWords(storage.facts)}`,
        summary: `storage ${name} too full`,
        remedy: `free ${formatBytes(needed - available)} on storage ${name} of ${node.cluster.facts.id} or choose another storage class`,
        ifOthersMove: needed <= storageAvailableBytes(storage.facts, rules, 0, 0),
        amount: { resource: `storage ${name}`, unit: "bytes", needed, available },
      });
    }
    return shortfalls;
  },
};

function unseen(id: string, nodeKey: string, node: string, cluster: string): Shortfall {
  return {
    text: `node ${nodeKey} does not see storage ${id}`,
    summary: `without storage ${id}`,
    remedy: `make storage ${id} of ${cluster} available on node ${node}`,
    ifOthersMove: false,
  };
}
