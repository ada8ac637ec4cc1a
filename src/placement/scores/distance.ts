import { clusterCoordinates, distanceKm, findCoordinates } from "../location";
import { matchesLocation } from "../rules";
import type { Scorer } from "./scorer";

/** At this distance a place is worth half as much as on the spot. */
const HALF_VALUE_KM = 1000;

/**
 * Nearness to the place the request prefers: 1000 on the spot, 500 at 1,000 km. A place without known coordinates counts
 * by its name alone.
 */
export const distance: Scorer = {
  term: "distance",
  measure({ request }, node) {
    const { facts } = node.cluster;
    if (request.location === undefined) return { value: 0, detail: "no preferred location" };
    if (matchesLocation(facts, request.location)) return { value: 1000, detail: `${facts.id} is in ${request.location}` };
    const wanted = findCoordinates(request.location);
    const here = clusterCoordinates(facts);
    if (wanted === undefined) return { value: 0, detail: `no coordinates known for ${request.location}` };
    if (here === undefined) return { value: 0, detail: `no coordinates known for ${facts.id}` };
    const km = distanceKm(wanted, here);
    return { value: Math.floor((HALF_VALUE_KM * 1000) / (HALF_VALUE_KM + km)), detail: `${km} km from ${request.location}` };
  },
};
