import { describe, expect, it } from "vitest";
import { formatAssignment, parseAssignment, parseModel } from "../../../bench/placement/roadef-format.cjs";

describe("the formats", () => {
  it("refuse what is too short, too long or no number, and print what they read", () => {
    expect(() => parseModel("2 0", "m")).toThrow("m: ends after 2 numbers");
    expect(() => parseAssignment("0 x", 2, 2, "a")).toThrow('a: number 2 is "x", a whole number from 0 expected');
    expect(() => parseAssignment("0 99999999999", 2, 2, "a")).toThrow("a: number 2 is 99999999999, at most 2147483647 expected");
    expect(() => parseAssignment("0 1 0", 2, 2, "a")).toThrow("a: 1 numbers too many");
    expect(() => parseAssignment("0 5", 2, 2, "a")).toThrow("a: process 1 is on machine 5, there are 2");
    expect(parseAssignment(formatAssignment(Int32Array.of(1, 0, 1)), 3, 2)).toEqual(Int32Array.of(1, 0, 1));
  });
});
