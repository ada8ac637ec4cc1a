import { describe, expect, it } from "vitest";
import { forecastExhaustion } from "../../src/placement";

const DAY_MS = 86_400_000;
const daily = (...used: number[]) => used.map((amount, day) => ({ atMs: day * DAY_MS, used: amount }));

describe("forecastExhaustion", () => {
  it("follows a straight line to the capacity, without error", () => {
    // 10 a day from 100: 200 on day 10.
    const forecast = forecastExhaustion(daily(100, 110, 120, 130), 200);
    expect(forecast?.perDay).toBeCloseTo(10);
    expect(forecast?.typicalError).toBeCloseTo(0);
    expect(forecast?.exhaustedAtMs).toBe(10 * DAY_MS);
    expect(forecast?.exhaustedBetweenMs).toEqual({ earliest: 10 * DAY_MS, latest: 10 * DAY_MS });
  });

  it("shows how far off the line has been, and what that means for the date", () => {
    // Up and down by 1 around 10 a day: 9.6 a day fits best.
    const forecast = forecastExhaustion(daily(101, 109, 121, 129), 200);
    expect(forecast?.perDay).toBeCloseTo(9.6);
    expect(forecast?.typicalError).toBeCloseTo(Math.sqrt(0.8));
    expect(forecast?.exhaustedBetweenMs?.earliest).toBeLessThan(forecast?.exhaustedAtMs ?? 0);
    expect(forecast?.exhaustedBetweenMs?.latest).toBeGreaterThan(forecast?.exhaustedAtMs ?? 0);
  });

  it("names no date when nothing grows, and nothing at all from too little", () => {
    expect(forecastExhaustion(daily(9, 9, 9), 10)).toEqual({ perDay: 0, typicalError: 0 });
    expect(forecastExhaustion(daily(3, 2, 1), 10)?.exhaustedAtMs).toBeUndefined();
    expect(forecastExhaustion(daily(1, 2), 10)).toBeUndefined();
    expect(
      forecastExhaustion(
        [1, 2, 3].map((used) => ({ atMs: 5, used })),
        10,
      ),
    ).toBeUndefined();
    expect(forecastExhaustion(daily(1, Number.NaN, 2), 10)).toBeUndefined();
  });
});
