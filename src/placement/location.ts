import { CITIES } from "./gazetteer";
import type { ClusterFacts } from "./model";

export interface Coordinates {
  latitude: number;
  longitude: number;
}

const EARTH_RADIUS_KM = 6371;

/** Lower-case words of a text; `Amsterdam, NL` has `amsterdam` and `nl`. Accents are folded: `Zürich` is `zurich`. */
export function words(text: string): string[] {
  return text
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "");
}

/**
 * True when `wanted` occurs in `text` as whole words in a row. Whole words, because `NL` is part of `Finland` and a
 * residency rule must not be satisfied by that.
 */
export function containsWords(text: string, wanted: string): boolean {
  const have = words(text);
  const want = words(wanted);
  if (want.length === 0) return false;
  return have.some((_, start) => want.every((word, offset) => have[start + offset] === word));
}

interface IndexedCity extends Coordinates {
  country: string;
}

let cityIndex: Map<string, IndexedCity[]> | undefined;

function citiesNamed(name: string): IndexedCity[] {
  if (cityIndex === undefined) {
    cityIndex = new Map();
    for (const [city, country, latitude, longitude] of CITIES) {
      const key = words(city).join(" ");
      cityIndex.set(key, [...(cityIndex.get(key) ?? []), { country: country.toLowerCase(), latitude, longitude }]);
    }
  }
  return cityIndex.get(name) ?? [];
}

/**
 * Coordinates of a place in words: the longest run of words that is a known city; a country code elsewhere in the
 * text picks among namesakes (`Birmingham, GB`). `undefined` for a place the built-in table does not know.
 */
export function findCoordinates(place: string): Coordinates | undefined {
  const parts = words(place);
  for (let length = parts.length; length > 0; length--) {
    for (let start = 0; start + length <= parts.length; start++) {
      const namesakes = citiesNamed(parts.slice(start, start + length).join(" "));
      if (namesakes.length === 0) continue;
      const others = [...parts.slice(0, start), ...parts.slice(start + length)];
      return namesakes.find((city) => others.includes(city.country)) ?? namesakes[0];
    }
  }
  return undefined;
}

/** Where a cluster stands: its declared coordinates, else those of its location's name. */
export function clusterCoordinates(cluster: ClusterFacts): Coordinates | undefined {
  const { location } = cluster;
  if (location === undefined) return undefined;
  const { latitude, longitude } = location;
  if (latitude !== undefined && longitude !== undefined && Number.isFinite(latitude) && Number.isFinite(longitude)) {
    return { latitude, longitude };
  }
  return findCoordinates(location.name);
}

/** Great-circle distance in whole kilometres. */
export function distanceKm(from: Coordinates, to: Coordinates): number {
  const radians = Math.PI / 180;
  const latitudeHalf = ((to.latitude - from.latitude) * radians) / 2;
  const longitudeHalf = ((to.longitude - from.longitude) * radians) / 2;
  const chord =
    Math.sin(latitudeHalf) ** 2 + Math.cos(from.latitude * radians) * Math.cos(to.latitude * radians) * Math.sin(longitudeHalf) ** 2;
  return Math.round(2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chord))));
}
