/** Room on a storage for what a plan adds to it beside placement, which asks about new disks only: growth, and replicas. */
import { roundedSize } from "../config";
import { storageAvailableBytes } from "../placement";
import type { Session } from "./session";

export interface StoragePlace {
  cluster: string;
  node: string;
  storage: string;
}

/**
 * By the same measure as placement: what is free after the reserve, and what may still be over-provisioned. Each addition by
 * itself; those that a run plans together are not summed up.
 *
 * @returns what is missing, in words; undefined when there is room, or the storage is not seen
 */
export async function findShortage(
  session: Session,
  { cluster, node, storage }: StoragePlace,
  addedBytes: number,
): Promise<string | undefined> {
  if (addedBytes <= 0) return undefined;
  const { clusters } = await session.inventory();
  const there = clusters.find(({ id }) => id === cluster);
  const facts = there?.storages.find((candidate) => candidate.storage === storage && candidate.nodes.includes(node));
  if (!there || !facts) return undefined;
  const availableBytes = storageAvailableBytes(facts, there.capacityRules, facts.usedBytes, facts.allocatedBytes ?? 0);
  if (addedBytes <= availableBytes) return undefined;
  return `storage ${storage} of ${facts.shared ? cluster : `${cluster}/${node}`} has ${roundedSize(availableBytes)} available, ${roundedSize(addedBytes)} needed`;
}
