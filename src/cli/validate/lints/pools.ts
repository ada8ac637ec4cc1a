/** Pools: limits, rules that can never hold, strategies without the figures they need, members that cannot exchange guests. */
import type { Cluster, Federation, ResourcePool } from "../../../config";
// Not from the folders' indexes: these load the API client and the whole engine, and checking a file should be quick.
import { planRoute } from "../../../migration/route";
import { findCoordinates } from "../../../placement/location";
import { validateRules } from "../../../placement/validate-rules";
import { type Lint, warn } from "../finding";

export function lintPools(federation: Federation): Lint[] {
  return federation.resourcePools.flatMap((pool, index) => {
    const path = ["resource_pools", index];
    const members = federation.clusters.filter(({ id }) => pool.clusters.includes(id));
    return [...limits(pool, path), ...rules(pool, path), ...strategyFacts(pool, members, path), ...routes(federation, pool, members, path)];
  });
}

function limits({ name, limits: given }: ResourcePool, path: Lint["path"]): Lint[] {
  const missing = [
    ...(given.maxVms === undefined ? ["max_vms"] : []),
    ...(given.maxCores === undefined ? ["max_cpu_cores"] : []),
    ...(given.maxMemoryBytes === undefined ? ["max_memory"] : []),
    ...(given.maxStorageBytes === undefined ? ["max_storage"] : []),
  ];
  if (missing.length < 4) return [];
  return [warn(path, `pool \`${name}\` has no limits: one mistake can fill every member`, `Set at least one of ${missing.join(", ")}.`)];
}

function rules(pool: ResourcePool, path: Lint["path"]): Lint[] {
  return validateRules({ name: pool.name, clusters: pool.clusters, rules: pool.placementPolicy.rules }).map((problem) => ({
    severity: "error",
    path: [...path, "placement_policy", "rules", problem.rules[0] ?? 0],
    message: problem.message.replace(/\.$/, ""),
    suggestion: "A guest of this pool could never be placed.",
  }));
}

/** A strategy without its figures decides like `balanced`, and nobody notices. */
function strategyFacts({ name, placementPolicy }: ResourcePool, members: readonly Cluster[], path: Lint["path"]): Lint[] {
  const at = [...path, "placement_policy", "strategy"];
  if (placementPolicy.strategy === "cost") {
    const unpriced = members.filter(({ prices }) => Object.values(prices).every((price) => price === undefined));
    if (unpriced.length === 0) return [];
    return [warn(at, `pool \`${name}\` is placed by cost, and ${ids(unpriced)} declare no prices`, "Set clusters[].prices.")];
  }
  if (placementPolicy.strategy === "geographic") {
    const nowhere = members.filter((cluster) => !hasCoordinates(cluster));
    if (nowhere.length === 0) return [];
    return [
      warn(
        at,
        `pool \`${name}\` is placed by distance, and nobody knows where ${ids(nowhere)} are`,
        "Set clusters[].location to a known city, or with latitude and longitude.",
      ),
    ];
  }
  return [];
}

function hasCoordinates({ location }: Cluster): boolean {
  if (location === undefined) return false;
  return (location.latitude !== undefined && location.longitude !== undefined) || findCoordinates(location.name) !== undefined;
}

/** Guests of a pool move between its members when rules, drains or failures say so: routes that are refused show now. */
function routes(federation: Federation, { name }: ResourcePool, members: readonly Cluster[], path: Lint["path"]): Lint[] {
  const refused = members.flatMap((source) =>
    members.flatMap((target) => {
      if (source === target) return [];
      const result = planRoute(federation, source.id, target.id);
      return result.ok ? [] : [{ way: `${source.id} → ${target.id}`, reason: result.reason }];
    }),
  );
  const [first] = refused;
  if (first === undefined) return [];
  const ways = refused.map(({ way }) => way).join(", ");
  return [warn([...path, "clusters"], `guests of pool \`${name}\` cannot move ${ways}`, `The first, because ${first.reason}.`)];
}

function ids(clusters: readonly Cluster[]): string {
  return clusters.map(({ id }) => `\`${id}\``).join(", ");
}
