/** Placement rules: values that exist, and rules that can hold together. */
import type { Findings } from "../findings";
import { didYouMean } from "../nearest";
import { containsWords } from "../place-words";
import type { Path } from "../position";
import type { ClusterFile } from "../schema/cluster";
import type { PlacementPolicyFile, ResourcePoolFile, RuleFile } from "../schema/pool";
import { windowsOpenTogether } from "../window-sets";
import { describeWindow } from "../windows";
import type { CheckInput } from "./input";
import { suggestCluster } from "./references";

/** A guest has exactly one of each, so it cannot be bound to two. */
const SINGLE_VALUED = new Set<RuleFile["target"]>(["cluster", "node", "provider", "tier"]);

export function checkPools({ file, findings, clusterIds }: CheckInput): void {
  const clusters = file.clusters ?? [];
  // Clusters that could not be read match nothing and would make every rule look unsatisfiable.
  const decidable = clusters.length === clusterIds.length && findings.kind === "complete";
  const check = (path: Path, policy: PlacementPolicyFile | undefined, pools: ResourcePoolFile[]): void => {
    const rules = policy?.rules ?? [];
    for (const [index, rule] of rules.entries()) {
      const at = [...path, "rules", index];
      checkForm(findings, at, rule);
      if (!checkValue(findings, at, rule, clusters, clusterIds) || !decidable) continue;
      for (const pool of pools) checkSatisfiable(findings, at, rule, pool, clusters);
    }
    checkContradictions(findings, [...path, "rules"], rules);
    for (const [index, entry] of (policy?.schedule ?? []).entries()) {
      if (entry.strategy === undefined && entry.cluster_weights === undefined)
        findings.warning([...path, "schedule", index], "this entry changes nothing", "Give it a `strategy` or `cluster_weights`.");
    }
  };
  const pools = file.resource_pools ?? [];
  for (const [index, pool] of pools.entries()) check(["resource_pools", index, "placement_policy"], pool.placement_policy, [pool]);
  check(
    ["placement_policy"],
    file.placement_policy,
    pools.filter((pool) => pool.placement_policy === undefined),
  );
}

function checkForm(findings: Findings, path: Path, rule: RuleFile): void {
  if (rule.type === "anti-affinity" && (rule.operator === "must_not" || rule.operator === "should_not")) {
    const positive = rule.operator === "must_not" ? "must" : "should";
    findings.error(
      [...path, "operator"],
      `\`anti-affinity\` with \`${rule.operator}\` negates twice`,
      `To keep guests apart write anti-affinity with \`${positive}\`; to keep them together write affinity with \`${positive}\`.`,
    );
  }
  if (rule.weight !== undefined && !rule.operator.startsWith("should")) {
    findings.warning(
      [...path, "weight"],
      `a weight has no effect with \`${rule.operator}\``,
      "Remove it, or use should or should_not.",
      "key",
    );
  }
  checkSpread(findings, path, rule);
  if (rule.scope !== undefined && rule.type !== "affinity" && rule.type !== "anti-affinity" && rule.type !== "spread") {
    findings.warning([...path, "scope"], `a scope has no effect on a ${rule.type} rule`, "Remove it.", "key");
  }
  if ((rule.type === "anti-affinity" || rule.type === "spread") && rule.target === "tag" && rule.value !== rule.value.toLowerCase()) {
    findings.warning(
      [...path, "value"],
      `Proxmox keeps tags in lower case; no guest has the tag \`${rule.value}\``,
      `Write ${rule.value.toLowerCase()}.`,
    );
  }
}

function checkSpread(findings: Findings, path: Path, { type, target, operator, max_skew: maxSkew }: RuleFile): void {
  if (type !== "spread") {
    if (maxSkew !== undefined) findings.warning([...path, "max_skew"], `a max_skew has no effect on a ${type} rule`, "Remove it.", "key");
    return;
  }
  if (target !== "tag")
    findings.error([...path, "target"], "`spread` counts guests by a tag of theirs", "Write target tag, with the tag as value.");
  if (operator === "must_not" || operator === "should_not")
    findings.error([...path, "operator"], `\`spread\` with \`${operator}\` has no meaning`, "Write must or should.");
}

/** @returns whether the value names something that exists */
function checkValue(findings: Findings, path: Path, rule: RuleFile, clusters: ClusterFile[], clusterIds: readonly string[]): boolean {
  const at = [...path, "value"];
  switch (rule.target) {
    case "cluster": {
      // The guide's values are ids, but tags and places are understood too.
      if (clusterIds.includes(rule.value) || clusters.some((cluster) => matchesCluster(rule, cluster, clusters))) return true;
      findings.unresolved(at, `no cluster has the id or tag \`${rule.value}\``, suggestCluster(rule.value, clusterIds));
      return false;
    }
    case "tier":
      if (["primary", "secondary", "edge"].includes(rule.value)) return true;
      findings.error(
        at,
        `"${rule.value}" is not one of primary, secondary, edge`,
        didYouMean(rule.value, ["primary", "secondary", "edge"]),
      );
      return false;
    case "provider":
    case "jurisdiction": {
      const declared = [...new Set(clusters.flatMap((cluster) => cluster[rule.target as "provider" | "jurisdiction"] ?? []))];
      if (clusters.some((cluster) => matchesMember(rule, cluster, clusters))) return true;
      findings.warning(at, `no cluster has the ${rule.target} \`${rule.value}\``, didYouMean(rule.value, declared));
      return false;
    }
    case "node": {
      const declared = clusters.flatMap((cluster) => cluster.nodes?.map(({ name }) => name) ?? []);
      // Nodes need not be declared; only a file that declares them can tell a mistake.
      if (declared.length === 0 || declared.includes(rule.value)) return true;
      findings.warning(at, `no declared node is named \`${rule.value}\``, didYouMean(rule.value, declared));
      return false;
    }
    default:
      return true;
  }
}

/** A rule no member of the pool can ever satisfy, or that excludes all of them. */
function checkSatisfiable(findings: Findings, path: Path, rule: RuleFile, pool: ResourcePoolFile, clusters: ClusterFile[]): void {
  if (rule.type === "anti-affinity" || (rule.operator !== "must" && rule.operator !== "must_not")) return;
  const members = clusters.filter((cluster) => pool.clusters.includes(idOf(cluster)));
  const matches = members.map((cluster) => matchesMember(rule, cluster, clusters));
  if (members.length === 0 || matches.includes(undefined)) return;
  const wanted = rule.operator === "must";
  if (matches.includes(wanted)) return;
  const who = wanted ? "no member" : "every member";
  findings.error(
    [...path, "value"],
    `${who} of pool \`${pool.name}\` has the ${rule.target} \`${rule.value}\`: nothing could ever be placed`,
    `Add ${wanted ? "a matching" : "another"} cluster to the pool or change the rule.`,
  );
}

/** Whether the whole cluster matches, as placement reads the rule; `undefined` where that depends on nodes or guests. */
function matchesMember(rule: RuleFile, cluster: ClusterFile, clusters: readonly ClusterFile[]): boolean | undefined {
  switch (rule.target) {
    case "cluster":
      return matchesCluster(rule, cluster, clusters);
    case "tier":
      return (cluster.tier ?? "secondary") === rule.value;
    case "provider":
      return sameWord(cluster.provider, rule.value);
    case "jurisdiction":
    case "location":
      return matchesPlace(rule, cluster);
    default:
      return undefined;
  }
}

/** The id; else a tag, where no cluster has that id; for rules on places also a part of the location. */
function matchesCluster(rule: RuleFile, cluster: ClusterFile, clusters: readonly ClusterFile[]): boolean {
  if (idOf(cluster) === rule.value) return true;
  if ((rule.type === "location" || rule.type === "residency") && isIn(cluster, rule.value)) return true;
  return !clusters.some((other) => idOf(other) === rule.value) && (cluster.tags?.some((tag) => sameWord(tag, rule.value)) ?? false);
}

/** A residency rule takes either; the others exactly what they target. */
function matchesPlace({ type, target, value }: RuleFile, cluster: ClusterFile): boolean {
  const isOfLaw = cluster.jurisdiction === value;
  if (type === "residency") return isOfLaw || isIn(cluster, value);
  return target === "jurisdiction" ? isOfLaw : isIn(cluster, value);
}

function isIn({ location }: ClusterFile, place: string): boolean {
  const name = typeof location === "string" ? location : location?.name;
  return name !== undefined && containsWords(name, place);
}

function sameWord(left: string | undefined, right: string): boolean {
  return left?.toLowerCase() === right.toLowerCase();
}

function checkContradictions(findings: Findings, path: Path, rules: RuleFile[]): void {
  for (const [index, rule] of rules.entries()) {
    const earlier = rules.slice(0, index).filter((other) => meet(other, rule));
    const same = earlier.filter((other) => subjectOf(other) === subjectOf(rule));
    const opposite = same.find((other) => isOpposite(other, rule));
    if (same.some((other) => other.operator === rule.operator && windowKey(other) === windowKey(rule)))
      findings.warning([...path, index], "the same rule stands above", "Remove one of them.");
    else if (opposite) {
      findings.error(
        [...path, index, "operator"],
        `\`${rule.operator}\` contradicts the rule above with \`${opposite.operator}\` for ${rule.target} \`${rule.value}\`${whileOpen(opposite, rule)}`,
        "Keep one of them.",
      );
    }
    const bound = earlier.find((other) => binds(other) && binds(rule) && other.target === rule.target && other.value !== rule.value);
    if (bound) {
      findings.error(
        [...path, index, "value"],
        `a guest cannot be bound to ${rule.target} \`${bound.value}\` and \`${rule.value}\` at once${whileOpen(bound, rule)}`,
        "Keep one `must` or use `should`.",
      );
    }
  }
}

/** Whether two rules ever hold at the same moment. */
function meet(a: RuleFile, b: RuleFile): boolean {
  return !a.window || !b.window || windowsOpenTogether([a.window, b.window]).some((open) => open.length === 2);
}

function whileOpen(...rules: RuleFile[]): string {
  const windows = [...new Set(rules.flatMap(({ window }) => (window ? describeWindow(window) : [])))];
  return windows.length === 0 ? "" : ` (in the window ${windows.join(" and ")})`;
}

function subjectOf({ type, target, value, scope }: RuleFile): string {
  return [type, target, value, scope ?? ""].join("\0");
}

function windowKey({ window }: RuleFile): string {
  return window ? describeWindow(window) : "";
}

function binds({ type, operator, target }: RuleFile): boolean {
  return type === "affinity" && operator === "must" && SINGLE_VALUED.has(target);
}

function isOpposite(a: RuleFile, b: RuleFile): boolean {
  const operators = new Set([a.operator, b.operator]);
  return operators.has("must") && operators.has("must_not");
}

function idOf(cluster: ClusterFile): string {
  return cluster.id ?? cluster.region ?? "";
}
