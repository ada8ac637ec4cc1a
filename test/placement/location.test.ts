import { describe, expect, it } from "vitest";
import { containsWords } from "../../src/config/place-words";
import { distanceKm, findCoordinates } from "../../src/placement";
import { ALIASES, CITIES } from "../../src/placement/gazetteer";
import { GEONAMES_CITIES } from "../../src/placement/gazetteer-data";

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

  it("means the largest of namesakes where no country is named", () => {
    // Hyderabad in India has more people than the one in Pakistan; both are only in the large table.
    expect(findCoordinates("Hyderabad")).toEqual(findCoordinates("Hyderabad, IN"));
    expect(findCoordinates("Hyderabad, PK")).not.toEqual(findCoordinates("Hyderabad"));
    expect(findCoordinates("Victoria, CA")?.latitude).toBeGreaterThan(48);
  });

  it.each([
    ["Koeln", "Köln"],
    ["Duesseldorf, DE", "Düsseldorf"],
    ["København", "Copenhagen"],
    ["Łódź", "Lodz"],
    ["New York City", "New York"],
    ["Den Haag", "The Hague"],
    ["Praha", "Prague"],
  ])("understands %s as %s", (other, city) => {
    expect(findCoordinates(other)).toEqual(findCoordinates(city));
    expect(findCoordinates(other)).toBeDefined();
  });

  it("knows every city of its own list by name and country, at the place the list says", () => {
    for (const [city, country, latitude, longitude] of CITIES) {
      expect(findCoordinates(`${city}, ${country}`), city).toEqual({ latitude, longitude });
    }
  });

  it("has a city behind every other name", () => {
    for (const [alias, city, country] of ALIASES) expect(findCoordinates(alias), alias).toEqual(findCoordinates(`${city}, ${country}`));
  });

  it.each([["Marseille"], ["Nagoya"], ["Medellin"], ["Mombasa"], ["Chongqing"], ["Winnipeg"]])("knows %s of the large table", (city) => {
    expect(findCoordinates(city)).toBeDefined();
  });

  it("stays small enough to carry along", () => {
    expect(GEONAMES_CITIES.length).toBeLessThan(150_000);
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
