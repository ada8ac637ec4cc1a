/** Copies of ZFS volumes on other nodes of the cluster, kept up to date by snapshots. */
import type { Route } from "../kernel";
import type { Era } from "../state";
import { replicationConfigRoutes } from "./config-routes";
import { replicationNodeRoutes } from "./node-routes";

export { startReplication } from "./scheduler";

export function replicationRoutes(era: Era): Route[] {
  return [...replicationConfigRoutes(era), ...replicationNodeRoutes(era)];
}
