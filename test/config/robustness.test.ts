import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { type ConfigIssue, federationJsonSchema, safeParseFederation } from "../../src/config";

const scenario = readFileSync(join(__dirname, "fixtures", "scenario-1.yaml"), "utf8");

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

function expectSound(text: string): ConfigIssue[] {
  const { federation, issues } = safeParseFederation(text, "f.yaml");
  const lines = text.split("\n").length;
  for (const issue of issues) {
    expect(issue.message).not.toBe("");
    expect(issue.line).toBeGreaterThanOrEqual(1);
    expect(issue.line).toBeLessThanOrEqual(lines);
    expect(issue.column).toBeGreaterThanOrEqual(1);
  }
  expect(federation === undefined).toBe(issues.some(({ severity }) => severity === "error"));
  return issues;
}

/** Every place of a value, the root excluded. */
function placesOf(value: Json, path: (string | number)[] = []): (string | number)[][] {
  const children: [string | number, Json][] = Array.isArray(value)
    ? [...value.entries()]
    : typeof value === "object" && value !== null
      ? Object.entries(value)
      : [];
  return children.flatMap(([key, child]) => [[...path, key], ...placesOf(child, [...path, key])]);
}

function replaced(value: Json, [segment, ...rest]: (string | number)[], by: Json): Json {
  if (segment === undefined) return by;
  if (Array.isArray(value)) return value.map((item, index) => (index === segment ? replaced(item, rest, by) : item));
  return Object.fromEntries(
    Object.entries(value as Record<string, Json>).map(([key, item]) => [key, key === segment ? replaced(item, rest, by) : item]),
  );
}

describe("whatever the file holds", () => {
  it("any text is refused or read, never thrown at", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => void expectSound(text)));
  });

  it("any data is refused or read", () => {
    fc.assert(fc.property(fc.json({ maxDepth: 4 }), (text) => void expectSound(text)));
  });

  it("any value in any place of a sound file is refused or read, and found where it stands", () => {
    const sound = parse(scenario, { merge: true }) as Json;
    const values: fc.Arbitrary<Json> = fc.oneof(
      fc.constantFrom<Json>(null, "", -1, 0, 1e308, true, "a|b", "constructor", "10", [], {}, [null], [[]], { a: null }),
      fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as Json),
    );
    const edits = fc.array(fc.tuple(fc.constantFrom(...placesOf(sound)), values), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(edits, (list) => {
        const text = stringify(
          list.reduce(
            (data, [path, value]) =>
              placesOf(data).some((place) => place.join("\0") === path.join("\0")) ? replaced(data, path, value) : data,
            sound,
          ),
        );
        expectSound(text);
      }),
      { numRuns: 60 },
    );
  });

  it("an unknown key anywhere in a mapping of the format is an error at that key", () => {
    const sound = parse(scenario, { merge: true }) as Json;
    // In these mappings the keys are the user's own.
    const free = /^(x-tls|metadata|images|templates|networks|classes|cluster_weights|storages|from)$/;
    const mappings = placesOf(sound).filter((path) => {
      const value = path.reduce<Json>((node, segment) => (node as Record<string | number, Json>)[segment]!, sound);
      return typeof value === "object" && value !== null && !Array.isArray(value) && !free.test(String(path.at(-1)));
    });
    expect(mappings.length).toBeGreaterThan(40);
    for (const path of mappings) {
      const value = path.reduce<Json>((node, segment) => (node as Record<string | number, Json>)[segment]!, sound) as Record<string, Json>;
      const text = stringify(replaced(sound, path, { ...value, zzzzzz: 1 }));
      const issues = expectSound(text).filter(({ message }) => message === "unknown key `zzzzzz`");
      expect(issues).toHaveLength(1);
      expect(text.split("\n")[issues[0]!.line - 1]!.slice(issues[0]!.column - 1)).toBe("zzzzzz: 1");
    }
  });
});

describe("the JSON schema for editors", () => {
  interface Schema {
    properties?: Record<string, Schema>;
    items?: Schema;
    anyOf?: Schema[];
    additionalProperties?: Schema | boolean;
    enum?: string[];
    required?: string[];
  }
  const schema = federationJsonSchema() as Schema;

  const keysOf = (part: Schema): string[] => [
    ...Object.entries(part.properties ?? {}).flatMap(([key, value]) => [key, ...keysOf(value)]),
    ...(part.items ? keysOf(part.items) : []),
    ...(part.anyOf ?? []).flatMap(keysOf),
    ...(typeof part.additionalProperties === "object" ? keysOf(part.additionalProperties) : []),
  ];

  it("allows no unknown keys and the user's own x- keys", () => {
    expect(schema).toMatchObject({ type: "object", additionalProperties: false, patternProperties: { "^x-": {} } });
    expect(schema.properties?.clusters?.items?.additionalProperties).toBe(false);
    expect(schema.properties?.clusters?.items?.properties?.tier?.enum).toEqual(["primary", "secondary", "edge"]);
    expect(schema.properties?.resource_pools?.items?.required).toEqual(["name", "clusters"]);
  });

  it("every key of it is explained in the reference", () => {
    const reference = readFileSync(join(__dirname, "../../docs/federation-yaml.md"), "utf8");
    const missing = [...new Set(keysOf(schema))].filter((key) => !reference.includes(`\`${key}\``));
    expect(missing).toEqual([]);
  });

  it("every key of it is used by the examples of these tests, except those of a CSI cloud-config and those that are refused", () => {
    const used = ["scenario-1", "scenario-2", "two-sites", "csi-cloud-config"].flatMap((name) => {
      const data = parse(readFileSync(join(__dirname, "fixtures", `${name}.yaml`), "utf8"), { merge: true }) as Json;
      return placesOf(data).map((path) => String(path.at(-1)));
    });
    const unused = [...new Set(keysOf(schema))].filter((key) => !used.includes(key));
    expect(unused.sort()).toEqual(["controllerVMID", "password", "password_config", "password_env", "token_secret"].sort());
  });
});
