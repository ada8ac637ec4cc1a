import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseFederation } from "../../src/config";

const ROOT = join(__dirname, "..", "..");
const PAGES = ["README.md", ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`)].filter((name) => name.endsWith(".md"));
/** A block of YAML that is a federation.yaml or a part of one. */
const FEDERATION_KEY = /^(clusters|resource_pools|migration_policies|backup_stores|placement|failover):/m;

const snippets = PAGES.flatMap((page) => {
  const text = readFileSync(join(ROOT, page), "utf8");
  return [...text.matchAll(/^```ya?ml\n([\s\S]*?)^```/gm)]
    .filter(([, yaml]) => FEDERATION_KEY.test(yaml!))
    .map(({ index, 1: yaml }) => ({ where: `${page}:${text.slice(0, index).split("\n").length}`, yaml: yaml! }));
});

describe("the federation files in the documentation", () => {
  it("are found", () => expect(snippets.length).toBeGreaterThan(4));

  it.each(snippets)("load: $where", ({ where, yaml }) => {
    expect(parseFederation(yaml, where).federation).toBeDefined();
  });
});
