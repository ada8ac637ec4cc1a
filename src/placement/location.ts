import { words } from "../config/place-words";
import { ALIASES, CITIES } from "./gazetteer";
import { GEONAMES_CITIES } from "./gazetteer-data";
import type { ClusterFacts } from "./model";

export interface Coordinates {
  latitude: number;
  longitude: number;
}

const EARTH_RADIUS_KM = 6371;

interface IndexedCity extends Coordinates {
  country: string;
}

/** Namesakes in the order in which they are meant: those listed by hand, then by population. */
type CityIndex = ReadonlyMap<string, IndexedCity[]>;

let cityIndex: CityIndex | undefined;

/** Built when the first place is looked up: a few milliseconds that most processes never need. */
function citiesNamed(name: string): IndexedCity[] {
  cityIndex ??= buildCityIndex();
  return cityIndex.get(name) ?? [];
}

function buildCityIndex(): CityIndex {
  const index = new Map<string, IndexedCity[]>();
  const add = (name: string, city: IndexedCity): void => {
    for (const key of new Set([keyOf(name), keyOf(withoutUmlauts(name))])) {
      const namesakes = index.get(key);
      if (namesakes === undefined) index.set(key, [city]);
      else if (!namesakes.some((other) => isNear(other, city))) namesakes.push(city);
    }
  };
  for (const [name, country, latitude, longitude] of CITIES) add(name, { country: country.toLowerCase(), latitude, longitude });
  for (const { name, city } of largeCities()) add(name, city);
  for (const [alias, name, country] of ALIASES) {
    const city = index.get(keyOf(name))?.find((candidate) => candidate.country === country.toLowerCase());
    if (city !== undefined) add(alias, city);
  }
  return index;
}

/** The largest first, so that among namesakes it is the one that is meant. */
function largeCities(): { name: string; city: IndexedCity }[] {
  const found: { name: string; city: IndexedCity; thousands: number }[] = [];
  for (const line of GEONAMES_CITIES.trim().split("\n")) {
    const [country = "", ...entries] = line.split("|");
    for (const entry of entries) {
      const [name = "", latitude, longitude, thousands] = entry.split(";");
      const city = { country: country.toLowerCase(), latitude: Number(latitude) / 100, longitude: Number(longitude) / 100 };
      found.push({ name, city, thousands: Number(thousands) });
    }
  }
  // Sorting is stable: equal populations stay in the order of the file.
  return found.sort((left, right) => right.thousands - left.thousands);
}

function keyOf(name: string): string {
  return words(name).join(" ");
}

/** `Köln` as people without the letter write it: `Koeln`. */
function withoutUmlauts(name: string): string {
  return name.normalize("NFC").replace(/[äöüÄÖÜ]/g, (letter) => UMLAUTS[letter] ?? letter);
}

const UMLAUTS: Readonly<Record<string, string>> = { ä: "ae", ö: "oe", ü: "ue", Ä: "Ae", Ö: "Oe", Ü: "Ue" };

/** The same city from two sources is one. */
function isNear(left: IndexedCity, right: IndexedCity): boolean {
  return left.country === right.country && distanceKm(left, right) < SAME_CITY_KM;
}

const SAME_CITY_KM = 30;

/**
 * Coordinates of a place in words: the longest run of words that is a known city; a country code elsewhere in the text
 * picks among namesakes (`Birmingham, US`), otherwise the largest is meant. `undefined` for a place the built-in tables do
 * not know.
 */
export function findCoordinates(place: string): Coordinates | undefined {
  const parts = words(place);
  for (let length = parts.length; length > 0; length--) {
    for (let start = 0; start + length <= parts.length; start++) {
      const namesakes = citiesNamed(parts.slice(start, start + length).join(" "));
      if (namesakes.length === 0) continue;
      const others = [...parts.slice(0, start), ...parts.slice(start + length)];
      const { latitude, longitude } = namesakes.find((city) => others.includes(city.country)) ?? namesakes[0]!;
      return { latitude, longitude };
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
