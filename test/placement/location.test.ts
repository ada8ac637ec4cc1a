import { describe, expect, it } from "vitest";
import { distanceKm, findCoordinates } from "../../src/placement";
import { CITIES } from "../../src/placement/gazetteer";
import { containsWords } from "../../src/placement/location";

describe("the gazetteer", () => {
  it.each([
    ["Amsterdam", "New York", 5860],
    ["Amsterdam", "Helsinki", 1505],
    ["Falkenstein", "Nuremberg", 145],
    ["Singapore", "Sydney", 6300],
  ])("%s to %s is about %i km", (from, to, km) => {
    const start = findCoordinates(from);
    const end = findCoordinates(to);
    if (start === undefined || end === undefined) throw new Error("unknown city");
    expect(Math.abs(distanceKm(start, end) - km)).toBeLessThan(km * 0.02);
  });

  it.each([
    ["Zürich", "Zurich, CH"],
    ["equinix AMSTERDAM am3", "Amsterdam"],
    ["Sao Paulo", "São Paulo"],
  ])("finds %s as %s", (text, city) => {
    expect(findCoordinates(text)).toEqual(findCoordinates(city));
    expect(findCoordinates(text)).toBeDefined();
  });

  it("tells namesakes apart by country", () => {
    expect(findCoordinates("London")?.longitude).toBe(-0.13);
    expect(findCoordinates("London, CA")?.longitude).toBe(-81.25);
  });

  it("does not know what is not there", () => {
    expect(findCoordinates("Atlantis")).toBeUndefined();
    expect(findCoordinates("")).toBeUndefined();
  });

  it("holds coordinates on the globe and two-letter countries", () => {
    expect(CITIES.length).toBeGreaterThan(150);
    for (const [, country, latitude, longitude] of CITIES) {
      expect(country).toMatch(/^[A-Z]{2}$/);
      expect(Math.abs(latitude)).toBeLessThanOrEqual(90);
      expect(Math.abs(longitude)).toBeLessThanOrEqual(180);
    }
  });
});

describe("containsWords", () => {
  it.each([
    ["Amsterdam, NL", "nl", true],
    ["Helsinki, Finland", "nl", false],
    ["New York", "new york", true],
    ["New York", "york new", false],
    ["Amsterdam", "", false],
  ])("%s contains %s: %s", (text, wanted, expected) => {
    expect(containsWords(text, wanted)).toBe(expected);
  });
});
