/** What the test itself needs of the documented privileges. Pure. */
import type { Cluster, Federation } from "../../config";
import { missingPrivileges, type Need } from "../../migration";
import type { Permissions } from "../../proxmox";
import { requirementsOf } from "../validate/connectivity/needs";
import type { Settings } from "./settings";

/** The test VM has no drive of that kind. */
const UNUSED = ["VM.Config.CDROM", "VM.Config.Cloudinit", "VM.GuestAgent.Audit", "VM.Monitor"];

/** @param federation the test's own */
export function missingForTest(
  federation: Federation,
  cluster: Cluster,
  settings: Settings,
  live: { permissions: Permissions; major: number },
): Need[] {
  const { network, pool, clusters, storages } = settings;
  const placementPolicy = { strategy: "balanced" as const, clusterWeights: {}, rules: [] };
  const scope: Federation = { ...federation, resourcePools: [{ name: pool, clusters, limits: {}, placementPolicy }] };
  const used: Cluster = {
    ...cluster,
    storage: { ...cluster.storage, primary: storages.get(cluster.id), classes: {}, backends: [] },
    network: { ...cluster.network, bridges: bridgesOf(cluster, network), networks: {} },
  };
  const needs = requirementsOf(scope, used, live.major).filter(
    ({ privilege, severity }) =>
      severity === "error" &&
      !UNUSED.includes(privilege) &&
      (network !== undefined || (privilege !== "SDN.Use" && privilege !== "VM.Config.Network")),
  );
  return missingPrivileges(live.permissions, needs);
}

function bridgesOf({ network }: Cluster, name: string | undefined): string[] {
  return name === undefined ? [] : [network.networks[name]?.bridge ?? name];
}
