/** What reached the simulated clusters since the counters were last reset. */
import type { SimulatedFederation } from "../../support/simulated-federation";

interface RequestReport {
  clusters: Record<string, { methods: Record<string, number> }>;
}

/** Requests by method and path template, over all clusters. */
async function countRequests(federation: SimulatedFederation): Promise<[request: string, count: number][]> {
  const { clusters } = await federation.admin<RequestReport>("GET", "/requests");
  return Object.values(clusters).flatMap(({ methods }) => Object.entries(methods));
}

/** Requests that may have changed something. */
export async function countWrites(federation: SimulatedFederation): Promise<number> {
  const writes = (await countRequests(federation)).filter(([request]) => !request.startsWith("GET "));
  return writes.reduce((sum, [, count]) => sum + count, 0);
}

/** Whether that request, such as `GET /nodes/{node}/tasks`, has been made. */
export async function wasRequested(federation: SimulatedFederation, request: string): Promise<boolean> {
  return (await countRequests(federation)).some(([made, count]) => made === request && count > 0);
}
