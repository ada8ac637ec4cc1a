import { windowsOpenTogether } from "../config/window-sets";
import { listWords } from "./amounts";
import type { PoolPolicy, Rule, TimeWindow } from "./model";
import { describeRule, ruleDefect } from "./rules";
import { windowWords } from "./time";

/** A rule, or a set of rules, that can never hold. */
export interface RuleProblem {
  code: "double-negation" | "meaningless" | "contradiction" | "unknown-tier" | "empty-value" | "nothing-left";
  /** Indexes into the pool's rules; dropping any one of them resolves a contradiction. */
  rules: number[];
  /** What is wrong and what to do. */
  message: string;
}

interface Indexed {
  rule: Rule;
  index: number;
}

const TIERS = ["primary", "secondary", "edge"];

/** Attributes of which a cluster or node has exactly one, so that two different hard demands exclude each other. */
const SINGLE_VALUED: readonly Rule["target"][] = ["provider", "tier", "node"];

/**
 * Contradictions that hold whatever the inventory looks like, found without one. Rules that are only unsatisfiable today
 * show when something is placed. Rules with a time window contradict others only where both hold at some moment of a year.
 */
export function validateRules(pool: Pick<PoolPolicy, "name" | "clusters" | "rules">): RuleProblem[] {
  const indexed = pool.rules.map((rule, index) => ({ rule, index }));
  const filled = indexed.filter(({ rule }) => rule.value.trim() !== "");
  const sound = filled.filter(({ rule }) => ruleDefect(rule) === undefined);
  return [
    ...indexed.flatMap(defect),
    ...indexed.filter(({ rule }) => rule.value.trim() === "").map(emptyValue),
    ...sound.filter(isUnknownTier).map(unknownTier),
    ...holdingTogether(sound).flatMap((rules) => [...opposites(rules), ...exclusiveDemands(rules, pool), ...nothingLeft(rules, pool)]),
  ].filter((problem, position, all) => all.findIndex(({ message }) => message === problem.message) === position);
}

/** The sets of rules that hold at one moment: those without a window in each of them. */
function holdingTogether(rules: readonly Indexed[]): Indexed[][] {
  const windows = [...new Set(rules.flatMap(({ rule }) => rule.window ?? []))];
  if (windows.length === 0) return [[...rules]];
  const sets = windowsOpenTogether(windows).map((open) => open.map((index) => windows[index]));
  // No window at all may be open either: what is wrong then is wrong in every other set too.
  return [[], ...sets].map((open) => rules.filter(({ rule }) => rule.window === undefined || open.includes(rule.window)));
}

function defect({ rule, index }: Indexed): RuleProblem[] {
  const found = ruleDefect(rule);
  if (found === undefined) return [];
  const instead = found.instead.charAt(0).toUpperCase() + found.instead.slice(1);
  const message = `Rule ${index} "${describeRule(rule)}" ${found.why}. ${instead}.`;
  return [{ code: rule.type === "spread" ? "meaningless" : "double-negation", rules: [index], message }];
}

function emptyValue({ rule, index }: Indexed): RuleProblem {
  return { code: "empty-value", rules: [index], message: `Rule ${index} "${rule.type} ${rule.operator} ${rule.target}" has no value.` };
}

function isUnknownTier({ rule }: Indexed): boolean {
  return rule.target === "tier" && isTowards(rule) && isHard(rule) && !TIERS.includes(rule.value.toLowerCase());
}

function unknownTier({ rule, index }: Indexed): RuleProblem {
  const message = `Rule ${index} "${describeRule(rule)}" can never hold: the tiers are ${listWords(TIERS)}.`;
  return { code: "unknown-tier", rules: [index], message };
}

/** The same thing demanded and forbidden. */
function opposites(rules: readonly Indexed[]): RuleProblem[] {
  // A spread demands nothing of one place: it only compares places.
  const hard = rules.filter(({ rule }) => isHard(rule) && rule.type !== "spread");
  return hard
    .filter(({ rule }) => isTowards(rule))
    .flatMap((wanted) =>
      hard
        .filter(({ rule }) => !isTowards(rule) && saysTheSame(rule, wanted.rule))
        .map((forbidden) => contradiction([wanted, forbidden], "one demands what the other forbids")),
    );
}

function saysTheSame(forbidden: Rule, wanted: Rule): boolean {
  if (forbidden.target !== wanted.target || !sameValue(forbidden, wanted)) return false;
  if (forbidden.target !== "tag") return true;
  // Anti-affinity on a tag is about guests, and so is affinity unless places carry the tag; location never is. Being
  // in one cluster but on different nodes is possible, being on one node but in different clusters is not.
  const areGuests = forbidden.type === "anti-affinity" && wanted.type === "affinity";
  if (!areGuests) return forbidden.type !== "anti-affinity";
  return (forbidden.scope ?? "node") === "cluster" || (wanted.scope ?? "node") === "node";
}

/** Two different demands on an attribute that has one value. */
function exclusiveDemands(rules: readonly Indexed[], pool: Pick<PoolPolicy, "clusters">): RuleProblem[] {
  const demands = rules.filter(({ rule }) => isHard(rule) && isTowards(rule) && rule.type !== "spread");
  return demands.flatMap((first, position) =>
    demands
      .slice(position + 1)
      .filter((second) => second.rule.target === first.rule.target && !sameValue(first.rule, second.rule))
      .filter((second) => isSingleValued(first.rule, second.rule, pool))
      .map((second) => contradiction([first, second], `nothing is both ${first.rule.value} and ${second.rule.value}`)),
  );
}

function isSingleValued(first: Rule, second: Rule, pool: Pick<PoolPolicy, "clusters">): boolean {
  // A value that is the id of a cluster of the pool means that cluster; any other may be a tag, and a cluster has many.
  if (first.target === "cluster") return pool.clusters.includes(first.value) && pool.clusters.includes(second.value);
  // `cluster/node` and `node` may be the same node.
  if (first.target === "node") return first.value.includes("/") === second.value.includes("/");
  return SINGLE_VALUED.includes(first.target);
}

/** Every cluster of the pool forbidden by id. */
function nothingLeft(rules: readonly Indexed[], pool: Pick<PoolPolicy, "name" | "clusters">): RuleProblem[] {
  const forbidding = rules.filter(({ rule }) => rule.target === "cluster" && isHard(rule) && !isTowards(rule));
  const forbidden = pool.clusters.map((id) => forbidding.find(({ rule }) => rule.value === id));
  if (pool.clusters.length === 0 || forbidden.some((rule) => rule === undefined)) return [];
  const found = [...new Set(forbidden.flatMap((entry) => entry ?? []))];
  const indexes = found.map(({ index }) => index);
  const message = `Rules ${listWords(indexes.map(String))} forbid every cluster of pool ${pool.name} (${listWords(pool.clusters)})${whenAll(found)}. Drop one of them.`;
  return [{ code: "nothing-left", rules: indexes, message }];
}

function contradiction(rules: readonly Indexed[], why: string): RuleProblem {
  const names = rules.map(({ rule, index }) => `rule ${index} "${describeRule(rule)}"`).join(" and ");
  const message = `${names} contradict each other${whenAll(rules)}: ${why}. Drop or soften (should) one of them.`;
  return { code: "contradiction", rules: rules.map(({ index }) => index), message: message.charAt(0).toUpperCase() + message.slice(1) };
}

/** ` while window 22:00–06:00 UTC is open`, for rules of which some hold in a window only. */
function whenAll(rules: readonly Indexed[]): string {
  const windows = [...new Set(rules.flatMap(({ rule }): TimeWindow[] => (rule.window === undefined ? [] : [rule.window])))];
  const names = [...new Set(windows.map(windowWords))];
  return names.length === 0 ? "" : ` while ${listWords(names)} ${names.length === 1 ? "is" : "are"} open`;
}

function sameValue(left: Rule, right: Rule): boolean {
  // Ids, node names and jurisdictions are compared exactly everywhere, the rest without case.
  const exact = left.target === "cluster" || left.target === "node" || left.target === "storage" || left.target === "jurisdiction";
  return exact ? left.value === right.value : left.value.toLowerCase() === right.value.toLowerCase();
}

function isHard(rule: Rule): boolean {
  return rule.operator === "must" || rule.operator === "must_not";
}

function isTowards(rule: Rule): boolean {
  const negated = rule.operator === "must_not" || rule.operator === "should_not";
  return negated === (rule.type === "anti-affinity");
}
