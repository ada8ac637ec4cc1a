/** Findings about the target: privileges, storages, bridges. Pure. */
import { roundedSize } from "../../config";
import { describeNeed, membershipNeeds, missingPrivileges, sourceNeeds, targetNeeds } from "../permissions";
import { type Route, storeOf } from "../route";
import type { PreflightFacts } from "./facts";

export function privilegeFindings(route: Route, facts: PreflightFacts): string[] {
  const { guest, membership, versions } = facts;
  const store = storeOf(route);
  const joining = { vmid: guest.vmid, ...(facts.pool === undefined ? {} : { pool: facts.pool }), major: versions?.target ?? 9 };
  const missingAtSource = missingPrivileges(facts.sourcePermissions, [
    ...sourceNeeds({ vmid: guest.vmid, pool: guest.pool, storage: store.writeStorage }),
    ...membershipNeeds({ ha: membership?.ha }, joining),
  ]);
  const missingAtTarget = missingPrivileges(facts.targetPermissions, [
    ...targetNeeds({
      vmid: guest.vmid,
      pool: facts.pool,
      otherVmid: facts.vmidTaken ?? false,
      readStorage: store.readStorage,
      storages: facts.targetStorages,
      bridges: facts.targetBridges,
    }),
    ...membershipNeeds(membership ?? {}, joining),
  ]);
  return [
    ...missingAtSource.map((need) => `the token of ${route.source} lacks ${describeNeed(need)}`),
    ...missingAtTarget.map((need) => `the token of ${route.target} lacks ${describeNeed(need)}`),
  ];
}

export function targetFindings(route: Route, facts: PreflightFacts): string[] {
  const where = facts.targetNode === undefined ? route.target : `${route.target}/${facts.targetNode}`;
  const storages = [...new Set(facts.targetStorages)]
    .filter((storage) => !facts.targetNodeStorages.includes(storage))
    .map((storage) => `storage ${storage} is not available on ${where}: choose another storage class or node`);
  const room = (facts.targetRoom ?? [])
    .filter(({ neededBytes, freeBytes }) => neededBytes > freeBytes)
    .map(
      ({ storage, neededBytes, freeBytes }) =>
        `storage ${storage} of ${where} has ${roundedSize(freeBytes)} free, ${roundedSize(neededBytes)} needed: choose another storage class or free space`,
    );
  const bridges = facts.targetNodeBridges
    ? facts.targetBridges
        .filter((bridge) => !facts.targetNodeBridges!.includes(bridge))
        .map(
          (bridge) =>
            `bridge ${bridge} is not on ${where}, and the guest could not start: create it, or map the network in clusters[].network`,
        )
    : [];
  return [...storages, ...room, ...bridges];
}
