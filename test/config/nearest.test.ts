import { describe, expect, it, test } from "vitest";
import { didYouMean, nearest } from "../../src/config/nearest";

describe("nearest", () => {
  test.each([
    ["primry", ["primary", "secondary"], "primary"],
    ["Primary", ["primary", "secondary"], "primary"],
    ["api-url", ["api_urls", "api_url"], "api_url"],
    ["lcoation", ["location", "relocation"], "location"],
    ["worldstrem-prod", ["databarn-dr", "worldstream-prod"], "worldstream-prod"],
  ])("%s is taken for one of %j: %s", (word, candidates, expected) => {
    expect(nearest(word, candidates)).toBe(expected);
  });

  test.each([
    ["primary", ["edge"]],
    ["x", ["yes"]],
    ["anything", []],
  ])("%s is like none of %j", (word, candidates) => {
    expect(nearest(word, candidates)).toBeUndefined();
  });

  it("prefers the earlier of two equally close candidates", () => {
    expect(nearest("pool-x", ["pool-a", "pool-b"])).toBe("pool-a");
  });

  it("phrases a suggestion", () => {
    expect(didYouMean("tir", ["tier"])).toBe("Did you mean `tier`?");
    expect(didYouMean("zzz", ["tier"])).toBeUndefined();
  });
});
