import { describe, expect, it, test } from "vitest";
import { complete, errors, findings } from "./sound-file";

test("the sound file of these tests has no finding", () => {
  expect(findings(complete({}))).toEqual([]);
});

describe("YAML", () => {
  test.each<[name: string, text: string, expected: string[]]>([
    ["empty", "", ["1 : the file is empty. Start with a `clusters:` list."]],
    ["only comments", "# nothing\n\n", ["1 #: the file is empty. Start with a `clusters:` list."]],
    ["a tab", "clusters:\n\t- id: a\n", ["2 	: a tab is used for indentation. YAML indents with spaces only."]],
    ["a key twice", "clusters:\n  - id: a\n    id: b\n", ["3 id: clusters[0].id: key `id` is given twice. Keep one of them."]],
    ["a root key twice", "clusters: []\nclusters: []\n", ["2 clusters: clusters: key `clusters` is given twice. Keep one of them."]],
    [
      "two documents",
      "name: a\n---\nname: b\n",
      ["2 ---: the file holds more than one YAML document. Keep one federation per file and remove the `---` line."],
    ],
    [
      "an alias without anchor",
      "clusters:\n  - *nobody\n",
      [
        "2 *: clusters[0]: alias `*nobody` has no anchor before it",
        "2 *: clusters[0]: has no value. Give it one or remove the key; check the indentation of the lines below.",
      ],
    ],
    ["an alias in itself", "x-a: &a { b: *a }\nclusters: []\n", ["1 *: x-a.b: alias `*a` contains itself"]],
    [
      "a merge of a text",
      "x-a: &a text\nclusters:\n  - { id: a, <<: *a }\n",
      ["1 text: clusters[0]: `<<` must name a mapping or a list of mappings"],
    ],
    ["a mapping as a key", "? { a: b }\n: c\n", ["1 {: a key must be a plain text"]],
    [
      "a reserved key",
      "clusters:\n  - id: a\n    images: { __proto__: x, constructor: y }\n",
      [
        "3 __proto__: clusters[0].images.__proto__: `__proto__` is reserved and cannot be a key. Choose another name.",
        "3 constructor: clusters[0].images.constructor: `constructor` is reserved and cannot be a key. Choose another name.",
      ],
    ],
    ["a list instead of a mapping", "- id: a\n", ["1 -: must be a mapping, not a list"]],
    ["a text instead of a mapping", "clusters\n", ["1 clusters: must be a mapping, not a text"]],
  ])("%s", (_name, text, expected) => {
    expect(errors(text)).toEqual(expected);
  });

  it("syntax errors point at the place and do not quote the line, which may hold a secret", () => {
    const [line, ...more] = errors("clusters:\n  - id: a\n    connection: { password: hunter2 ]\n");
    expect(line).toMatch(/^3 ]: not valid YAML: /);
    expect([line, ...more].join()).not.toContain("hunter2");
  });

  it("lines that end with carriage return and line feed are counted alike", () => {
    expect(errors(complete({ cluster: "tier: primry" }).replaceAll("\n", "\r\n"))).toEqual(errors(complete({ cluster: "tier: primry" })));
  });

  it("aliases that multiply are refused before they are expanded", () => {
    const levels = Array.from({ length: 12 }, (_, level) => `x-${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`).join(", ")}]`);
    const text = ["x-0: &l0 [1]", ...levels, "clusters: []"].join("\n");
    expect(errors(text)).toEqual([expect.stringMatching(/the aliases of this file expand to more than 250000 values/)]);
  });

  it("merge keys that multiply are refused too", () => {
    const levels = Array.from({ length: 24 }, (_, level) => `x-${level + 1}: &l${level + 1} { <<: [*l${level}, *l${level}] }`);
    const text = ["x-0: &l0 { a: 1 }", ...levels, "clusters: []"].join("\n");
    expect(errors(text)).toEqual([expect.stringMatching(/expand to more than/)]);
  });

  it("nesting deeper than any stack is refused", () => {
    expect(errors(`x-deep: ${"[".repeat(20_000)}`)).toEqual(["1 x-deep: the file is nested too deeply"]);
  });

  it("the same anchor may serve many clusters; its mistake is told once", () => {
    const clusters = Array.from({ length: 200 }, (_, index) => `  - { <<: *base, id: c${index} }`);
    expect(errors(["x-base: &base { tier: primry }", "clusters:", ...clusters].join("\n"))).toEqual([
      expect.stringMatching(/^1 primry: clusters\[0\]\.tier: "primry" is not one of/),
    ]);
  });
});
