import { describe, expect, it } from "vitest";
import { CoolingSchedule } from "../../../src/placement/reassignment/schedule";

/** The temperatures over a budget of so many looks, with a cost that follows from the temperature. */
function temperatures(looks: number, costAt: (temperature: number) => number): number[] {
  const schedule = new CoolingSchedule(1e6);
  let best = costAt(1e6);
  let cost = best;
  return Array.from({ length: looks }, (_, look) => {
    const temperature = schedule.temperature(look / looks, cost, best);
    cost = costAt(temperature);
    best = Math.min(best, cost);
    return temperature;
  });
}

const isFalling = (values: number[]) => values.every((value, index) => index === 0 || value <= values[index - 1]!);

describe("CoolingSchedule", () => {
  // Falls around a temperature of 100,000 from a thousand millions to one.
  const costAt = (temperature: number) => 1e6 + 1e9 / (1 + (1e5 / temperature) ** 2);

  it("cools from hot to cold twice", () => {
    const all = temperatures(1000, costAt);
    expect(all[0]).toBeCloseTo(1e6);
    expect(isFalling(all.slice(0, 200))).toBe(true);
    expect(isFalling(all.slice(200))).toBe(true);
    // Three millionths of the best cost.
    expect(all[999]).toBeLessThan(4);
    expect(all[999]).toBeGreaterThan(2.9);
  });

  it("starts again where the cost had nearly come down, and dwells where it fell", () => {
    const main = temperatures(1000, costAt).slice(200);
    expect(main[0]).toBeLessThan(1e4);
    const share = (from: number, to: number) => main.filter((temperature) => temperature <= from && temperature > to).length / main.length;
    expect(share(1e4, 1e3)).toBeGreaterThan(2 * share(1e2, 1e1));
  });

  it("copes with a budget too small for a rehearsal", () => {
    expect(temperatures(2, costAt).every((temperature) => temperature > 0 && temperature <= 1e6)).toBe(true);
    expect(new CoolingSchedule(5).temperature(0.9, 0, 0)).toBeGreaterThan(0);
  });
});
