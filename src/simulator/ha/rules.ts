/** `/cluster/ha/rules`: on which nodes services run, together or apart; from version 9 on. */
import { comment, flag, optional } from "../fields";
import { configidFormat } from "../formats";
import type { Call, ClusterState, ParameterRule, ParameterTable, Route } from "../kernel";
import { splitList } from "../parameters";
import type { Era } from "../state";
import { configText, fail, failParameter, listParameter, textParameter } from "../volumes/calls";
import { digestOf, requireDigest } from "./config-digest";
import { nodeListRule } from "./groups";
import { parseNodePriorities } from "./services";

const types = ["node-affinity", "resource-affinity"];
const ruleName: ParameterRule = { type: "string", format: configidFormat };
const resourceList: ParameterRule = {
  type: "list",
  format: (value) => (/^[a-z]+:\S+$/.test(value) ? undefined : "value does not look like a valid ha resource id"),
};

export function haRuleRoutes(era: Era): Route[] {
  if (era === "8.4") return [];
  const audit = (call: Call) => call.requirePrivilege("/", ["Sys.Audit"]);
  const change = (call: Call) => call.requirePrivilege("/", ["Sys.Console"]);
  const attributes: ParameterTable = {
    affinity: optional({ type: "string", enum: ["positive", "negative"] }),
    comment: { ...comment, maxLength: 4096 },
    disable: flag,
    nodes: { ...nodeListRule, optional: true },
    strict: flag,
    type: { type: "string", enum: types },
  };
  const path = "/cluster/ha/rules/{rule}";
  return [
    {
      method: "GET",
      path: "/cluster/ha/rules",
      permission: audit,
      parameters: { type: optional({ type: "string", enum: types }), resource: optional() },
      handler: listRules,
    },
    {
      method: "POST",
      path: "/cluster/ha/rules",
      permission: change,
      parameters: { ...attributes, rule: ruleName, resources: resourceList },
      handler: createRule,
    },
    { method: "GET", path, permission: audit, parameters: { rule: ruleName }, handler: (call) => describe(call, ...getRule(call)) },
    {
      method: "PUT",
      path,
      permission: change,
      parameters: {
        ...attributes,
        rule: ruleName,
        resources: { ...resourceList, optional: true },
        delete: { type: "list", optional: true, format: configidFormat },
        digest: optional({ type: "string", maxLength: 64 }),
      },
      handler: updateRule,
    },
    { method: "DELETE", path, permission: change, parameters: { rule: ruleName }, handler: deleteRule },
  ];
}

function getRule(call: Call): [name: string, rule: Record<string, string>] {
  const name = textParameter(call, "rule")!;
  return [name, call.cluster.ha.rules[name] ?? fail(`no such ha rule '${name}'`)];
}

function describe(call: Call, name: string, rule: Record<string, string>): Record<string, unknown> {
  const { rules } = call.cluster.ha;
  const values = Object.entries(rule).map(([key, value]) => [key, key === "disable" || key === "strict" ? Number(value) : value]);
  return { ...Object.fromEntries(values), rule: name, order: Object.keys(rules).indexOf(name) + 1, digest: digestOf(rules) };
}

function listRules(call: Call): unknown {
  const { type, resource } = call.params;
  return Object.entries(call.cluster.ha.rules)
    .filter(([, rule]) => type === undefined || rule.type === type)
    .filter(([, rule]) => resource === undefined || splitList(rule.resources ?? "").includes(String(resource)))
    .map(([name, rule]) => describe(call, name, rule));
}

/** Each type of rule has options of its own; a disabled rule is the only one that says so. */
function givenOptions(call: Call): Record<string, string> {
  const given = Object.entries(call.params).filter(([key]) => !["rule", "delete", "digest"].includes(key));
  const options = Object.fromEntries(given.map(([key, value]) => [key, configText(value)]));
  if (options.disable === "0") delete options.disable;
  const foreign = options.type === "node-affinity" ? ["affinity"] : ["nodes", "strict"];
  for (const key of foreign) if (options[key] !== undefined) fail(`unexpected property '${key}'`);
  return options;
}

function requireKnown(cluster: ClusterState, { resources, nodes }: Record<string, string>, prefix: string): void {
  const unmanaged = splitList(resources ?? "").filter((sid) => !cluster.ha.resources[sid]);
  if (unmanaged.length > 0) fail(`${prefix}: cannot use unmanaged resource(s) ${unmanaged.sort().join(", ")}.`);
  const unknown = Object.keys(parseNodePriorities(nodes)).filter((node) => !cluster.nodes[node]);
  if (unknown.length > 0) fail(`${prefix}: cannot use non-existent node(s) ${unknown.sort().join(", ")}.`);
}

function requireFeasible(cluster: ClusterState, name: string, rule: Record<string, string>, prefix: string): void {
  if (rule.type !== "resource-affinity") return;
  const members = splitList(rule.resources ?? "").length;
  const problem =
    members < 2
      ? "rule is ambiguous as there are less than two resources"
      : rule.affinity === "negative" && members > Object.keys(cluster.nodes).length
        ? "rule defines more resources than available nodes"
        : undefined;
  if (problem !== undefined) fail(`${prefix}: 400 Rule '${name}' is invalid.\nresources: ${problem}`);
}

function createRule(call: Call): null {
  const name = textParameter(call, "rule")!;
  const { cluster } = call;
  const prefix = "create ha rule failed";
  const rule = givenOptions(call);
  const required = rule.type === "node-affinity" ? "nodes" : "affinity";
  if (rule[required] === undefined) fail(`missing value for required option '${required}'`);
  if (cluster.ha.rules[name]) fail(`${prefix}: HA rule '${name}' already defined`);
  requireKnown(cluster, rule, prefix);
  const defaults: Record<string, string> = rule.type === "node-affinity" ? { strict: "0" } : {};
  const complete = { ...defaults, ...rule };
  requireFeasible(cluster, name, complete, prefix);
  cluster.ha.rules[name] = complete;
  call.world.touch();
  return null;
}

function updateRule(call: Call): null {
  const name = textParameter(call, "rule")!;
  const { cluster } = call;
  const prefix = "update HA rules failed";
  requireDigest(cluster.ha.rules, textParameter(call, "digest"));
  const rule = cluster.ha.rules[name] ?? fail(`${prefix}: HA rule '${name}' does not exist`);
  const given = givenOptions(call);
  requireKnown(cluster, given, prefix);
  const changed = { ...rule, ...given };
  for (const key of listParameter(call, "delete")) {
    if (key === "resources" || key === "type") failParameter({ delete: `unable to delete required option '${key}'` });
    delete changed[key];
  }
  requireFeasible(cluster, name, changed, prefix);
  cluster.ha.rules[name] = changed;
  call.world.touch();
  return null;
}

function deleteRule(call: Call): null {
  delete call.cluster.ha.rules[textParameter(call, "rule")!];
  call.world.touch();
  return null;
}

/** A resource that is gone leaves its rules; a rule without resources goes too. */
export function removeFromRules(cluster: ClusterState, sid: string): void {
  for (const [name, rule] of Object.entries(cluster.ha.rules)) {
    const members = splitList(rule.resources ?? "");
    if (!members.includes(sid)) continue;
    const left = members.filter((member) => member !== sid);
    if (left.length === 0) delete cluster.ha.rules[name];
    else rule.resources = left.join(",");
  }
}
