/** `/cluster/ha/resources`: which guests the HA manager looks after. */
import { comment, flag, node, optional } from "../fields";
import { configidFormat } from "../formats";
import type { Call, ParameterRule, ParameterTable, Route } from "../kernel";
import type { Era } from "../state";
import { configText, fail, listParameter, textParameter } from "../volumes/calls";
import { digestOf, requireDigest } from "./config-digest";
import { removeFromRules } from "./rules";
import { fullSid, queueHaCommand } from "./services";

const groupsAreGone = "ha groups have been migrated to rules";
const sidRule: ParameterRule = {
  type: "string",
  format: (value) => (/^([a-z]+:\S+|\d+)$/.test(value) ? undefined : "value does not look like a valid ha resource id"),
};
const count: ParameterRule = { type: "integer", minimum: 0, optional: true };
const type: ParameterRule = { type: "string", enum: ["ct", "vm"], optional: true };
const path = "/cluster/ha/resources/{sid}";

export function haResourceRoutes(era: Era): Route[] {
  const audit = (call: Call) => call.requirePrivilege("/", ["Sys.Audit"]);
  const change = (call: Call) => call.requirePrivilege("/", ["Sys.Console"]);
  const attributes: ParameterTable = {
    comment: { ...comment, maxLength: 4096 },
    group: optional({ type: "string", format: configidFormat }),
    max_relocate: count,
    max_restart: count,
    state: { type: "string", enum: ["started", "stopped", "enabled", "disabled", "ignored"], optional: true },
    ...(era === "9.2" ? { failback: flag } : {}),
  };
  return [
    { method: "GET", path: "/cluster/ha/resources", permission: audit, parameters: { type }, handler: listResources },
    {
      method: "POST",
      path: "/cluster/ha/resources",
      permission: change,
      parameters: { ...attributes, sid: sidRule, type },
      handler: createResource,
    },
    { method: "GET", path, permission: audit, parameters: { sid: sidRule }, handler: (call) => describe(call, ...getResource(call)) },
    {
      method: "PUT",
      path,
      permission: change,
      parameters: {
        ...attributes,
        sid: sidRule,
        delete: { type: "list", optional: true, format: configidFormat },
        digest: optional({ type: "string", maxLength: 64 }),
      },
      handler: updateResource,
    },
    {
      method: "DELETE",
      path,
      permission: change,
      parameters: { sid: sidRule, ...(era === "9.2" ? { purge: flag } : {}) },
      handler: deleteResource,
    },
    ...(["migrate", "relocate"] as const).map((kind): Route => {
      const parameters = { sid: sidRule, node };
      return { method: "POST", path: `${path}/${kind}`, permission: change, parameters, handler: (call) => requestMove(call, kind) };
    }),
  ];
}

function sidOf(call: Call): string {
  return fullSid(textParameter(call, "sid")!);
}

function getResource(call: Call): [sid: string, resource: Record<string, string>] {
  const sid = sidOf(call);
  return [sid, call.cluster.ha.resources[sid] ?? fail(`no such resource '${sid}'`)];
}

function describe(call: Call, sid: string, resource: Record<string, string>): Record<string, unknown> {
  const numbers = ["max_relocate", "max_restart", "failback"];
  const values = Object.entries(resource).map(([key, value]) => [key, numbers.includes(key) ? Number(value) : value]);
  return { ...Object.fromEntries(values), sid, type: sid.split(":")[0], digest: digestOf(call.cluster.ha.resources) };
}

function listResources(call: Call): unknown {
  return Object.entries(call.cluster.ha.resources)
    .filter(([sid]) => call.params.type === undefined || sid.startsWith(`${String(call.params.type)}:`))
    .map(([sid, resource]) => describe(call, sid, resource));
}

const notStored = new Set(["sid", "type", "delete", "digest", "purge"]);

function givenOptions(call: Call): Record<string, string> {
  const given = Object.entries(call.params).filter(([key]) => !notStored.has(key));
  const options = Object.fromEntries(given.map(([key, value]) => [key, configText(value)]));
  // `enabled` is the old word for `started`.
  if (options.state === "enabled") options.state = "started";
  return options;
}

function createResource(call: Call): null {
  const sid = sidOf(call);
  const [kind = "", id = ""] = sid.split(":");
  const { era, ha, guests } = call.cluster;
  if (call.params.type !== undefined && call.params.type !== kind) fail("types does not match");
  if (call.params.group !== undefined && era === "9.2") fail(`invalid parameter 'group': ${groupsAreGone}`);
  if (kind !== "vm" && kind !== "ct") fail(`unknown resource type '${kind}'`);
  if (!guests[id]) fail(`resource '${sid}' does not exist in cluster`);
  if (kind === "ct") fail(`resource '${sid}' - guest with ID ${id} is not a container`);
  if (ha.resources[sid]) fail(`create resource failed: resource ID '${sid}' already defined`);
  ha.resources[sid] = { state: "started", ...givenOptions(call) };
  call.world.touch();
  return null;
}

function updateResource(call: Call): null {
  const sid = sidOf(call);
  const { era, ha } = call.cluster;
  const given = givenOptions(call);
  if (given.group !== undefined) {
    if (era === "9.2") fail(`invalid parameter 'group': ${groupsAreGone}`);
    if (!ha.groups?.[given.group]) fail(`HA group '${given.group}' does not exist`);
  }
  requireNoError(call, sid, given.state);
  const resource = ha.resources[sid] ?? fail(`update resources config failed: no such resource '${sid}'`);
  requireDigest(ha.resources, textParameter(call, "digest"));
  for (const key of listParameter(call, "delete")) delete resource[key];
  Object.assign(resource, given);
  call.world.touch();
  return null;
}

/** A service in error does nothing until it is disabled. */
function requireNoError(call: Call, sid: string, state?: string): void {
  if (call.cluster.ha.services?.[sid]?.state !== "error" || state === "disabled") return;
  fail(`service '${sid}' in error state, must be disabled and fixed first`);
}

function deleteResource(call: Call): null {
  const sid = sidOf(call);
  const { ha } = call.cluster;
  if (!ha.resources[sid]) fail(`cannot delete service '${sid}', not HA managed!`);
  delete ha.resources[sid];
  if (call.params.purge !== false) removeFromRules(call.cluster, sid);
  call.world.touch();
  return null;
}

function requestMove(call: Call, kind: "migrate" | "relocate"): unknown {
  const sid = sidOf(call);
  const target = textParameter(call, "node")!;
  const resource = call.cluster.ha.resources[sid];
  if (!resource || resource.state === "ignored") fail(`resource '${sid}' is not HA managed`);
  requireNoError(call, sid);
  queueHaCommand(call.cluster, sid, { kind, node: target });
  call.world.touch();
  return call.cluster.era === "9.2" ? { sid, "requested-node": target } : null;
}
