/** `/cluster/ha/groups`: preferred nodes up to version 8; 9 refuses them all. */
import { comment, flag, optional } from "../fields";
import { configidFormat } from "../formats";
import type { Call, ParameterRule, ParameterTable, Route } from "../kernel";
import type { Era } from "../state";
import { configText, fail, listParameter, textParameter } from "../volumes/calls";
import { digestOf, requireDigest } from "./config-digest";

const groupName: ParameterRule = { type: "string", format: configidFormat };
export const nodeListRule: ParameterRule = {
  type: "list",
  format: (value) =>
    /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(:\d+)?$/.test(value) ? undefined : "value does not look like a valid ha node",
};

export function haGroupRoutes(era: Era): Route[] {
  const audit = (call: Call) => call.requirePrivilege("/", ["Sys.Audit"]);
  const change = (call: Call) => call.requirePrivilege("/", ["Sys.Console"]);
  const attributes: ParameterTable = { comment: { ...comment, maxLength: 4096 }, nofailback: flag, restricted: flag };
  const path = "/cluster/ha/groups/{group}";
  const type = optional({ type: "string", enum: ["group"] });
  const handle = (verb: string, handler: (call: Call) => unknown) =>
    era === "9.2" ? () => fail(`cannot ${verb}: ha groups have been migrated to rules`) : handler;
  return [
    { method: "GET", path: "/cluster/ha/groups", permission: audit, parameters: {}, handler: handle("index groups", listGroups) },
    {
      method: "POST",
      path: "/cluster/ha/groups",
      permission: change,
      parameters: { ...attributes, group: groupName, nodes: nodeListRule, type },
      handler: handle("create group", createGroup),
    },
    {
      method: "GET",
      path,
      permission: audit,
      parameters: { group: groupName },
      handler: handle("read group", (call) => describe(call, ...getGroup(call))),
    },
    {
      method: "PUT",
      path,
      permission: change,
      parameters: {
        ...attributes,
        group: groupName,
        nodes: { ...nodeListRule, optional: true },
        delete: { type: "list", optional: true, format: configidFormat },
        digest: optional({ type: "string", maxLength: 64 }),
      },
      handler: handle("update group", updateGroup),
    },
    { method: "DELETE", path, permission: change, parameters: { group: groupName }, handler: handle("delete group", deleteGroup) },
  ];
}

const groupsOf = (call: Call) => call.cluster.ha.groups ?? {};

function getGroup(call: Call): [name: string, group: Record<string, string>] {
  const name = textParameter(call, "group")!;
  return [name, groupsOf(call)[name] ?? fail(`no such ha group '${name}'`)];
}

function describe(call: Call, name: string, group: Record<string, string>): Record<string, unknown> {
  const values = Object.entries(group).map(([key, value]) => [key, key === "nofailback" || key === "restricted" ? Number(value) : value]);
  return { ...Object.fromEntries(values), group: name, type: "group", digest: digestOf(groupsOf(call)) };
}

function listGroups(call: Call): unknown {
  return Object.entries(groupsOf(call)).map(([name, group]) => describe(call, name, group));
}

function givenOptions(call: Call): Record<string, string> {
  const given = Object.entries(call.params).filter(([key]) => !["group", "type", "delete", "digest"].includes(key));
  return Object.fromEntries(given.map(([key, value]) => [key, configText(value)]));
}

function createGroup(call: Call): null {
  const name = textParameter(call, "group")!;
  if (groupsOf(call)[name]) fail(`create ha group failed: ha group ID '${name}' already defined`);
  call.cluster.ha.groups = { ...groupsOf(call), [name]: givenOptions(call) };
  call.world.touch();
  return null;
}

function updateGroup(call: Call): null {
  const name = textParameter(call, "group")!;
  const group = groupsOf(call)[name] ?? fail(`update ha group failed: no such ha group '${name}'`);
  requireDigest(groupsOf(call), textParameter(call, "digest"));
  for (const key of listParameter(call, "delete")) {
    if (key === "nodes") fail("update ha group failed: unable to delete required option 'nodes'");
    delete group[key];
  }
  Object.assign(group, givenOptions(call));
  call.world.touch();
  return null;
}

function deleteGroup(call: Call): null {
  const name = textParameter(call, "group")!;
  const user = Object.entries(call.cluster.ha.resources).find(([, resource]) => resource.group === name)?.[0];
  if (user !== undefined) fail(`delete ha group failed: ha group is used by service '${user}'`);
  delete groupsOf(call)[name];
  call.world.touch();
  return null;
}
