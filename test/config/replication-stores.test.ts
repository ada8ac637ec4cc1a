import { describe, expect, it } from "vitest";
import { copiesBetween, storesOfMember } from "../../src/config";

const own = (name: string, cluster: string, from: Record<string, string>) => ({
  name,
  type: "pbs",
  api: {},
  access: { [cluster]: { readAs: from } },
});
const a = own("pa", "a", { b: "from-b", c: "from-c" });
const b = own("pb", "b", { a: "from-a" });
const shared = { name: "both", type: "pbs", access: { b: { readAs: {} }, c: { readAs: {} } } };

describe("stores of a pool's backups", () => {
  it("are those named that a member reaches", () => {
    expect(storesOfMember({ store: ["pa", "pb"] }, [a, b, shared], "b")).toEqual([b]);
    expect(storesOfMember({ store: "pa" }, [a, b, shared], "b")).toEqual([]);
  });

  it("are copied in each direction in which a member does not see them anyhow", () => {
    const { ways, missing } = copiesBetween({ store: ["pa", "both"] }, [a, b, shared], ["a", "b", "c"]);
    expect(ways.map(({ source, target, from, to }) => [source, target, from.name, to.name])).toEqual([
      ["b", "a", "both", "pa"],
      ["c", "a", "both", "pa"],
    ]);
    // The server of b and c has no API that could be told to pull.
    expect(missing).toEqual([
      { source: "a", target: "b" },
      { source: "a", target: "c" },
    ]);
  });
});
