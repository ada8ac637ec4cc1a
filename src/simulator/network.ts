/**
 * Links between the places where clusters and stores stand. A link is one shared resource for both
 * directions: what goes out takes bandwidth from what comes in.
 */
import type { FederationState } from "./state";

/** What bytes between a cluster and another site pass. Without a site: the cluster's uplink alone. */
export function linksBetween(state: FederationState, from: string, to: string | undefined): string[] {
  if (to === undefined) return [`link:${from}`];
  if (to === from) return [`lan:${from}`];
  const pair = [from, to].sort().join("|");
  return [`link:${from}`, `link:${to}`, ...(state.links?.[pair] === undefined ? [] : [`link:${pair}`])];
}

/** Bytes per virtual second of `link:<site>` or `link:<site>|<site>`; a site's own network does not limit. */
export function linkBytesPerSecond(state: FederationState, id: string): number {
  return state.links?.[id] ?? state.clusters[id]?.uplinkBytesPerSecond ?? Number.POSITIVE_INFINITY;
}

export function isNetworkResource(resource: string): boolean {
  return resource.startsWith("link:") || resource.startsWith("lan:");
}
