/** What a guest's volumes can do, and `GET …/feature`. */
import type { Call, GuestState, Route } from "../kernel";
import { fail, integerParameter, type Place, placeOf, textParameter } from "../volumes/calls";
import { nodeRule, vmidRule } from "../volumes/rules";
import { traitsOf } from "../volumes/types";
import { type FoundVolume, getVolume } from "../volumes/volumes";
import { type Config, drivesOf, isCdrom, isCloudInit, volidOf } from "./drive";
import { configIdFormat } from "./formats";
import { getGuest } from "./lookup";

export function featureRoute(): Route {
  return {
    method: "GET",
    path: "/nodes/{node}/qemu/{vmid}/feature",
    parameters: {
      node: nodeRule,
      vmid: vmidRule,
      feature: { type: "string", enum: ["snapshot", "clone", "copy"] },
      snapname: { type: "string", optional: true, format: configIdFormat, maxLength: 40 },
    },
    permission: (call) => call.requirePrivilege(`/vms/${call.pathVariables.vmid}`, ["VM.Audit"]),
    handler: getFeature,
  };
}

type Feature = "snapshot" | "clone" | "copy";

function getFeature(call: Call): unknown {
  const place = placeOf(call);
  const guest = getGuest(place, integerParameter(call, "vmid")!);
  const config = configOf(guest, textParameter(call, "snapname"));
  const volumes = volumesOf(place, config);
  const local = volumes.some(({ storage }) => !storage.shared);
  return {
    hasFeature: volumes.every((found) => hasFeature(found, String(call.params.feature) as Feature)) ? 1 : 0,
    nodes: local ? [place.node] : Object.keys(call.cluster.nodes),
  };
}

/** The config of a snapshot, or the current one. */
export function configOf(guest: GuestState, snapshot: string | undefined): Config {
  if (snapshot === undefined) return guest.config;
  return guest.snapshots[snapshot]?.config ?? fail(`snapshot '${snapshot}' does not exist`);
}

/** Volumes of the drives with data, cloud-init included. */
export function volumesOf(place: Place, config: Config): FoundVolume[] {
  return drivesOf(config)
    .filter((drive) => !isCdrom(drive) || isCloudInit(drive))
    .map((drive) => volidOf(drive))
    .filter((volid) => volid !== undefined)
    .map((volid) => getVolume(place, volid));
}

export function hasFeature(found: FoundVolume, feature: Feature): boolean {
  if (feature === "copy") return true;
  if (feature === "clone") return found.name.isBase;
  return traitsOf(found.storage).snapshotFormats.includes(found.volume.format);
}
