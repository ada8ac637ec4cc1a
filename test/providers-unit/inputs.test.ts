import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { engineInputs, hasUnknown, identityOf, UNKNOWN, userInputs, withoutUndefined } from "../../src/providers/inputs";

const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes(UNKNOWN));

describe("unknown values", () => {
  it.each<[unknown, boolean]>([
    [UNKNOWN, true],
    [{ a: [{ b: UNKNOWN }] }, true],
    [[[UNKNOWN]], true],
    [`x${UNKNOWN}`, false],
    [{ [UNKNOWN]: 1 }, false],
    [{}, false],
    [null, false],
    [undefined, false],
    [0, false],
    ["", false],
  ])("are found in %j: %s", (value, expected) => {
    expect(hasUnknown(value)).toBe(expected);
  });

  it("are found at any depth, and nowhere else", () => {
    fc.assert(
      fc.property(json, fc.array(fc.oneof(fc.constant("list"), fc.string()), { maxLength: 5 }), (value, path) => {
        expect(hasUnknown(value)).toBe(false);
        const buried = path.reduce<unknown>(
          (inner, step) => (step === "list" ? [value, inner] : { a: value, [`k${step}`]: inner }),
          UNKNOWN,
        );
        expect(hasUnknown(buried)).toBe(true);
      }),
    );
  });
});

describe("the user's own inputs", () => {
  it("are without what the class, the engine and check add, and without what is absent", () => {
    const given = {
      cores: 2,
      agent: false,
      note: "",
      none: null,
      gone: undefined,
      __identity: {},
      __provider: "x",
      placement: {},
      drift: [],
    };
    expect(userInputs(given, ["placement", "drift"])).toEqual({ cores: 2, agent: false, note: "" });
  });
});

describe("the identity", () => {
  it("is the program's stack and name within the federation", () => {
    expect(identityOf({ __identity: { stack: "shop/prod", name: "web" } }, "fed", "vm")).toEqual({
      federation: "fed",
      stack: "shop/prod",
      kind: "vm",
      name: "web",
    });
  });
});

describe("the wire form", () => {
  it("has no undefined anywhere and is otherwise the same", () => {
    expect(withoutUndefined({ a: undefined, b: [1, undefined, { c: undefined, d: null }], e: { f: undefined } })).toEqual({
      b: [1, { d: null }],
      e: {},
    });
    fc.assert(
      fc.property(json, (value) => {
        expect(withoutUndefined(value)).toEqual(value);
      }),
    );
  });
});

describe("what the resource class has added", () => {
  it("is kept with the place of what will be observed: the engine keeps that as secret as it was", () => {
    const added = { __identity: { stack: "shop/prod", name: "web" }, __urn: "urn", __observed: "" };
    expect(engineInputs({ ...added, __before: "[]", __ordered: true, cores: 2 })).toEqual(added);
  });
});
