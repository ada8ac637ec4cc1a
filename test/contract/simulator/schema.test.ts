/** The handwritten parameter tables against the official schema of both versions. */
import { describe, expect, test } from "vitest";
import type { Era } from "../../../src/simulator";
import type { ParameterRule, Route } from "../../../src/simulator/kernel";
import { routesOf } from "../../../src/simulator/routes";
import { readReference, referenceMissing } from "./transcripts";

interface SchemaProperty {
  type?: string;
  optional?: number | string;
  enum?: string[];
  minimum?: number | string;
  maximum?: number | string;
  maxLength?: number | string;
  minLength?: number | string;
  format?: unknown;
  requires?: string;
}

interface SchemaMethod {
  parameters?: { properties?: Record<string, SchemaProperty> };
  proxyto?: string;
  allowtoken?: number;
}

interface SchemaNode {
  path: string;
  info?: Record<string, SchemaMethod>;
  children?: SchemaNode[];
}

const versions: Record<Era, string> = { "8.4": "8.4.21", "9.2": "9.2.11" };

/** Differences that are meant, and why. */
const exceptions: Record<string, string> = {
  "PUT /storage/{storage} digest maxLength": "digests have 40 characters",
  "GET /nodes/{node}/qemu/{vmid}/snapshot/{snapname} forwarded": "an index",
  "GET /nodes/{node}/storage/{storage} forwarded": "an index",
};
const isMeant = (finding: string) => Object.keys(exceptions).some((known) => finding.startsWith(known));

describe.skipIf(referenceMissing)("parameter tables", () => {
  for (const era of ["8.4", "9.2"] as Era[]) {
    const schema = referenceMissing ? new Map<string, SchemaMethod>() : loadSchema(era);

    test(`of ${era} name methods and parameters that exist, as they are`, () => {
      const findings = routesOf(era).flatMap((route) => compareRoute(route, schema.get(`${route.method} ${route.path}`)));
      expect(findings.filter((finding) => !isMeant(finding))).toEqual([]);
    });

    test(`of ${era} belong to calls that go to the right node and take tokens as they should`, () => {
      const findings = routesOf(era).flatMap((route) => {
        const method = schema.get(`${route.method} ${route.path}`);
        const forwarded = route.path.includes("{node}") && route.onNode !== false;
        return [
          ...(method && forwarded !== (method.proxyto === "node") && route.path.includes("{node}")
            ? [`${route.method} ${route.path} forwarded: ${forwarded}`]
            : []),
          ...(method && (route.tokenAllowed ?? true) !== (method.allowtoken !== 0)
            ? [`${route.method} ${route.path} tokens: ${route.tokenAllowed ?? true}`]
            : []),
        ];
      });
      expect(findings.filter((finding) => !isMeant(finding))).toEqual([]);
    });
  }
});

function loadSchema(era: Era): Map<string, SchemaMethod> {
  const methods = new Map<string, SchemaMethod>();
  const visit = (node: SchemaNode) => {
    for (const [method, info] of Object.entries(node.info ?? {})) methods.set(`${method} ${node.path}`, info);
    for (const child of node.children ?? []) visit(child);
  };
  for (const root of readSchema(`apischema-${versions[era]}.json`)) visit(root);
  // 9.2 declares the parameters of HA rules elsewhere; 9.1's documentation lists them.
  if (era === "9.2") {
    const known = new Map(methods);
    for (const root of readSchema("apidoc-9.1.json")) visit(root);
    for (const [key, method] of known) if (!key.includes("/cluster/ha/rules")) methods.set(key, method);
    for (const key of [...methods.keys()]) if (!known.has(key)) methods.delete(key);
  }
  return methods;
}

function readSchema(file: string): SchemaNode[] {
  return JSON.parse(readReference(file)) as SchemaNode[];
}

function compareRoute(route: Route, method: SchemaMethod | undefined): string[] {
  const where = `${route.method} ${route.path}`;
  if (!method) return route.path === "/" ? [] : [`${where}: no such method`];
  const properties = method.parameters?.properties ?? {};
  const ours = Object.entries(route.parameters).flatMap(([name, rule]) => {
    const property = properties[name] ?? properties[name.replace(/\d+$/, "[n]")];
    if (!property) return [`${where} ${name}: no such parameter`];
    // What is in the path is always there.
    const inPath = route.path.includes(`{${name}}`);
    return compareRule(inPath ? { ...rule, optional: truthy(property.optional) } : rule, property).map(
      (finding) => `${where} ${name} ${finding}`,
    );
  });
  const missing = Object.keys(properties).filter((name) => !(name in route.parameters) && !truthy(properties[name]?.optional));
  return [...ours, ...missing.map((name) => `${where} ${name}: missing, although required`)];
}

function compareRule(rule: ParameterRule, property: SchemaProperty): string[] {
  const findings: string[] = [];
  const optional = rule.optional === true || rule.default !== undefined || rule.family !== undefined;
  if (optional !== truthy(property.optional)) findings.push(`optional: ${optional}`);
  const type = rule.type === "list" ? ["string", "array"] : [rule.type];
  if (property.type !== undefined && !type.includes(property.type)) findings.push(`type: ${rule.type}, schema ${property.type}`);
  for (const key of ["minimum", "maximum", "maxLength", "minLength"] as const) {
    if (rule[key] !== undefined && property[key] !== undefined && Number(property[key]) !== rule[key])
      findings.push(`${key}: ${rule[key]}, schema ${property[key]}`);
  }
  if (property.enum && rule.enum && [...rule.enum].sort().join() !== [...property.enum].sort().join()) {
    findings.push(`enum: ${rule.enum.join()}, schema ${property.enum.join()}`);
  }
  if (rule.requires !== undefined && property.requires !== rule.requires)
    findings.push(`requires: ${rule.requires}, schema ${property.requires}`);
  return findings;
}

function truthy(value: unknown): boolean {
  return value === 1 || value === "1" || value === true;
}
