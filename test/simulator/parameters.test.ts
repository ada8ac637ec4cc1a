import { describe, expect, test } from "vitest";
import { ApiError, type ParameterTable } from "../../src/simulator/kernel";
import { verifyParameters } from "../../src/simulator/parameters";

const table: ParameterTable = {
  name: { type: "string", maxLength: 5, minLength: 2, pattern: /^[a-zäöü]+$/, optional: true },
  count: { type: "integer", minimum: 1, maximum: 9, optional: true },
  ratio: { type: "number", optional: true },
  force: { type: "boolean", optional: true, requires: "mode" },
  mode: { type: "string", enum: ["stop", "suspend"], optional: true },
  items: { type: "list", optional: true, format: (item) => (item === "bad" ? "item 'bad' is bad" : undefined) },
  "net[n]": { type: "string", optional: true, family: 3 },
  limit: { type: "integer", optional: true, default: 50 },
};

function errorsOf(raw: Record<string, unknown>, rules = table): Record<string, string> | undefined {
  try {
    verifyParameters(rules, raw);
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error.errors;
    throw error;
  }
}

describe("verifyParameters", () => {
  test("turns texts into what the table says and fills defaults in", () => {
    expect(verifyParameters(table, { name: "web", count: "3", ratio: ".5", force: 0, mode: "stop", items: "a;b, c", net2: "x" })).toEqual({
      name: "web",
      count: 3,
      ratio: 0.5,
      force: false,
      mode: "stop",
      items: ["a", "b", "c"],
      net2: "x",
      limit: 50,
    });
  });

  test("takes JSON's types, lists as arrays, and null as absent", () => {
    expect(verifyParameters(table, { name: null, force: true, mode: "stop", items: ["a", "b"], count: 4 })).toEqual({
      force: true,
      mode: "stop",
      items: ["a", "b"],
      count: 4,
      limit: 50,
    });
  });

  test.each([
    [{ foo: "1" }, { foo: "property is not defined in schema and the schema does not allow additional properties" }],
    [{ net3: "x" }, { net3: "property is not defined in schema and the schema does not allow additional properties" }],
    [{ count: "x" }, { count: "type check ('integer') failed - got 'x'" }],
    [{ count: "0" }, { count: "value must have a minimum value of 1" }],
    [{ count: "10" }, { count: "value must have a maximum value of 9" }],
    [{ count: ["1", "2"] }, { count: "type check ('integer') failed - got ARRAY" }],
    [{ name: { a: 1 } }, { name: "type check ('string') failed - got HASH" }],
    [{ name: "toolong" }, { name: "value may only be 5 characters long" }],
    [{ name: "x" }, { name: "value must be at least 2 characters long" }],
    [{ name: "A1" }, { name: "value does not match the regex pattern" }],
    [{ mode: "RAW" }, { mode: "value 'RAW' does not have a value in the enumeration 'stop, suspend'" }],
    [{ force: "yes", mode: "stop" }, { force: "type check ('boolean') failed - got 'yes'" }],
    [{ force: "1" }, { mode: "missing property required by 'force'" }],
    [{ items: "a,bad" }, { items: "invalid format - item 'bad' is bad\n" }],
  ])("words the error of %j as Proxmox does", (raw, errors) => {
    expect(errorsOf(raw)).toEqual(errors);
  });

  test("counts characters, not bytes", () => {
    expect(errorsOf({ name: "äöüäö" })).toBeUndefined();
  });

  test("reports every bad parameter at once", () => {
    expect(errorsOf({ foo: "1" }, { vmid: { type: "integer" } })).toEqual({
      foo: "property is not defined in schema and the schema does not allow additional properties",
      vmid: "property is missing and it is not optional",
    });
  });
});
