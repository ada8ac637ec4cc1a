/** From a declared disk to the question placement answers. Pure. */
import type { ResourcePool } from "../../config";
import { toPoolPolicy } from "../../inventory";
import type { Company, Placement, PlacementRequest } from "../../placement";
import type { DiskSpec } from "./spec";

/** @param company what is to use the disk, where that decides where a new one may be */
export function toDiskRequest(
  spec: DiskSpec,
  pool: ResourcePool,
  key: string,
  prior: Placement | undefined,
  company?: Company,
): PlacementRequest {
  // It goes where its guest goes: a volume on local storage is only there.
  const pin = spec.attachTo ? { cluster: spec.attachTo.cluster, node: spec.attachTo.node } : spec.pin;
  return {
    key,
    name: spec.name,
    // The owner never runs.
    cores: 0,
    memoryMiB: 0,
    disks: [{ name: spec.name, storageClass: spec.storageClass, sizeBytes: spec.size }],
    networks: [],
    pool: toPoolPolicy(pool),
    tags: [],
    rules: [],
    location: spec.location,
    residency: spec.residency,
    pin,
    ...(company === undefined ? {} : { company }),
    prior,
    moveBytes: spec.size,
  };
}
