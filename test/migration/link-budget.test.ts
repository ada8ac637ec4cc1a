import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LinkBudget, type RouteLink } from "../../src/migration";

const link = (key: string, bitsPerSecond: number): RouteLink => ({ key, bitsPerSecond, what: key });

/** A transfer that lasts until it is told to end. */
function transfer(budget: LinkBudget, links: RouteLink[]) {
  const share = budget.announce(links);
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const state: { grant?: number | undefined; started: boolean; done: Promise<void>; begin: () => void; end: () => void } = {
    started: false,
    done: Promise.resolve(),
    begin: () => {
      state.done = share.use(async (grant) => {
        state.started = true;
        state.grant = grant;
        await ended;
      });
    },
    end,
  };
  return state;
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("moves that share a link", () => {
  it("without a limit go at once", async () => {
    const alone = transfer(new LinkBudget(1), []);
    alone.begin();
    await settle();
    expect(alone).toMatchObject({ started: true, grant: undefined });
  });

  it("get all of it when they are alone", async () => {
    const alone = transfer(new LinkBudget(4), [link("x", 1000)]);
    alone.begin();
    await settle();
    expect(alone.grant).toBe(1000);
  });

  it("leave room for those that are announced", async () => {
    const budget = new LinkBudget(4);
    const [first, second] = [transfer(budget, [link("x", 1000)]), transfer(budget, [link("x", 1000)])];
    first.begin();
    await settle();
    expect(first.grant).toBe(500);
    second.begin();
    await settle();
    expect(second.grant).toBe(500);
  });

  it("wait for their turn when as many as may are under way, and go when one ends", async () => {
    const budget = new LinkBudget(2);
    const three = Array.from({ length: 3 }, () => transfer(budget, [link("x", 1000)]));
    for (const each of three) each.begin();
    await settle();
    expect(three.map(({ started }) => started)).toEqual([true, true, false]);
    three[0]!.end();
    await three[0]!.done;
    await settle();
    expect(three[2]).toMatchObject({ started: true, grant: 500 });
  });

  it("take the narrowest part of the way, and do not hold up those on other links", async () => {
    const budget = new LinkBudget(1);
    const long = transfer(budget, [link("uplink a", 1000), link("path", 100)]);
    const same = transfer(budget, [link("path", 100)]);
    const other = transfer(budget, [link("uplink b", 700)]);
    for (const each of [long, same, other]) each.begin();
    await settle();
    expect([long.grant, same.started, other.grant]).toEqual([100, false, 700]);
  });

  it("that fail give their part back", async () => {
    const budget = new LinkBudget(1);
    const links = [link("x", 10)];
    await expect(budget.announce(links).use(() => Promise.reject(new Error("lost")))).rejects.toThrow("lost");
    const next = transfer(budget, links);
    next.begin();
    await settle();
    expect(next.grant).toBe(10);
  });

  it("never exceed a limit together, and all come through, in any order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.subarray(["a", "b", "c"], { minLength: 1 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
        async (slots, ways, order) => {
          const limits: Record<string, number> = { a: 1000, b: 333, c: 70 };
          const budget = new LinkBudget(slots);
          const moves = ways.map((keys) => ({
            keys,
            move: transfer(
              budget,
              keys.map((key) => link(key, limits[key]!)),
            ),
          }));
          for (const { move } of moves) move.begin();
          const open = [...moves];
          while (open.length > 0) {
            await settle();
            const running = open.filter(({ move }) => move.started);
            expect(running.length).toBeGreaterThan(0);
            for (const [key, limit] of Object.entries(limits)) {
              const sharing = running.filter(({ keys }) => keys.includes(key));
              expect(sharing.length).toBeLessThanOrEqual(slots);
              expect(sharing.reduce((sum, { move }) => sum + (move.grant ?? 0), 0)).toBeLessThanOrEqual(limit);
            }
            const next = running[order[open.length - 1]! % running.length]!;
            next.move.end();
            await next.move.done;
            open.splice(open.indexOf(next), 1);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
