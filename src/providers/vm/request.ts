/** From a declared VM to the question placement answers. Pure. */
import type { ResourcePool } from "../../config";
import { toPoolPolicy } from "../../inventory";
import type { Placement, PlacementRequest } from "../../placement";
import { demandsOf } from "./demands";
import type { VmSpec } from "./spec";

const MIB = 1024 * 1024;
const CLOUD_INIT_BYTES = 4 * MIB;

export function toRequest(spec: VmSpec, pool: ResourcePool, key: string, prior: Placement | undefined): PlacementRequest {
  const disks = spec.disks.map((disk, index) => ({
    name: disk.name ?? `scsi${index}`,
    storageClass: disk.storageClass,
    sizeBytes: disk.size,
  }));
  if (spec.cloudInit) disks.push({ name: "cloud-init", storageClass: spec.cloudInit.storageClass, sizeBytes: CLOUD_INIT_BYTES });
  return {
    key,
    name: spec.name,
    cores: spec.cores * spec.sockets,
    memoryMiB: Math.ceil(spec.memory / MIB),
    disks,
    networks: spec.networks.map((network) => network.network),
    image: spec.image,
    pool: toPoolPolicy(pool),
    tags: spec.tags,
    ...demandsOf(spec),
    prior,
    moveBytes: spec.disks.reduce((sum, disk) => sum + disk.size, 0),
  };
}
