import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDescription, type Mark, parseDescription } from "../../src/migration";
import { demandsOf, formatDemands, observeDemands, readDemands, toMarkDemands } from "../../src/providers/vm/demands";
import { observeShape } from "../../src/providers/vm/observe";
import { renderShape } from "../../src/providers/vm/render";
import { compareShapes } from "../../src/providers/vm/shape";
import { vmSchema } from "../../src/providers/vm/spec";
import { cluster } from "../support/fake-federation";

const OLD_MARK: Mark = { federation: "fed", stack: "shop/prod", kind: "vm", name: "web", generation: 1, phase: "settled" };
const specOf = (demands: Record<string, unknown>) => vmSchema.parse({ name: "web", cores: 1, memory: 1024 ** 3, ...demands });

/** Written to a guest and read back, as Proxmox keeps it. */
function throughMark(spec: ReturnType<typeof specOf>): Mark {
  const description = formatDescription("text", { ...OLD_MARK, demands: toMarkDemands(formatDemands(spec)) });
  return parseDescription(description).mark!;
}

const tag = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const rule = fc.record(
  {
    type: fc.constantFrom("affinity", "anti-affinity", "location", "residency", "spread"),
    target: fc.constantFrom("cluster", "node", "tag", "location", "provider", "tier", "jurisdiction", "storage"),
    operator: fc.constantFrom("must", "must_not", "should", "should_not"),
    value: fc.string({ maxLength: 20 }),
    weight: fc.integer({ min: 1, max: 100 }),
    scope: fc.constantFrom("cluster", "node"),
    maxSkew: fc.integer({ min: 1, max: 9 }),
    window: fc.constant({ start: "22:00", end: "06:00", timezone: "Europe/Amsterdam" }),
  },
  { requiredKeys: ["type", "target", "operator", "value"] },
);
const demands = fc.record(
  {
    rules: fc.array(rule, { maxLength: 3 }),
    affinity: fc.array(tag, { maxLength: 2 }),
    antiAffinity: fc.array(tag, { maxLength: 2 }),
    residency: fc.array(fc.constantFrom("EU", "NL"), { maxLength: 2 }),
    location: fc.string({ minLength: 1, maxLength: 20 }),
    pin: fc.record({ cluster: tag, node: tag }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);

describe("what a program demands of a VM's place", () => {
  it("comes back from the mark as it was declared, and the shape shows no difference", () => {
    fc.assert(
      fc.property(demands, (given) => {
        const spec = specOf(given);
        const mark = throughMark(spec);
        fc.pre(mark.demands !== "too long");
        expect(readDemands(mark)).toEqual(JSON.parse(JSON.stringify(demandsOf(spec))));
        expect(observeDemands(mark)).toBe(formatDemands(spec));
      }),
    );
  });

  it("is nothing for a VM without demands, and not known for a mark of an older version or an edited one", () => {
    expect(readDemands(throughMark(specOf({})))).toEqual({ rules: [], residency: [] });
    expect(readDemands(OLD_MARK)).toBeUndefined();
    expect(readDemands({ ...OLD_MARK, demands: { rules: [{ type: "nearness" }] } })).toBeUndefined();
  });

  it("is left out where it does not fit beside text and journal", () => {
    const rules = Array.from({ length: 30 }, (_, index) => ({
      type: "affinity",
      target: "tag",
      operator: "should",
      value: `group-${index}`,
    }));
    const mark = throughMark(specOf({ rules, description: "x".repeat(4096) }));
    expect(mark.demands).toBe("too long");
    expect(readDemands(mark)).toBeUndefined();
    expect(observeDemands(mark)).toBe(formatDemands(specOf({ rules })));
  });

  it("makes an update where a rule alone has changed, and none where an older mark meets a VM without demands", () => {
    const placement = { cluster: "a", node: "a1", storages: [] };
    const changesOf = (given: Record<string, unknown>, mark: Mark) => {
      const declared = renderShape(specOf(given), placement, cluster("a"), "fed-0123456789abcdef");
      const live = { values: { ...declared.scalars, description: formatDescription("", mark), tags: declared.tags.join(";") }, digest: "" };
      return compareShapes(declared, observeShape(live as never, Object.keys(declared.scalars), true)).map(({ path }) => path);
    };
    const own = { antiAffinity: ["web"] };
    expect(changesOf({}, OLD_MARK)).toEqual([]);
    expect(changesOf(own, OLD_MARK)).toEqual(["demands"]);
    expect(changesOf(own, throughMark(specOf(own)))).toEqual([]);
    expect(changesOf({}, throughMark(specOf(own)))).toEqual(["demands"]);
    expect(changesOf({ antiAffinity: ["db"] }, throughMark(specOf(own)))).toEqual(["demands"]);
  });
});
