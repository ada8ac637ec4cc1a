/** From a declared VM to the question placement answers. Pure. */
import type { ResourcePool } from "../../config";
import { toPoolPolicy } from "../../inventory";
import type { Placement, PlacementRequest, Rule } from "../../placement";
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
    rules: [...spec.rules, ...groupRules(spec)],
    location: spec.location,
    residency: spec.residency,
    pin: spec.pin,
    prior,
    moveBytes: spec.disks.reduce((sum, disk) => sum + disk.size, 0),
  };
}

function groupRules(spec: VmSpec): Rule[] {
  return [
    ...spec.affinity.map((value): Rule => ({ type: "affinity", target: "tag", operator: "must", value, scope: "cluster" })),
    ...spec.antiAffinity.map((value): Rule => ({ type: "anti-affinity", target: "tag", operator: "must", value, scope: "node" })),
  ];
}
