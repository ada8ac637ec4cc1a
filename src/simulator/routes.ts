/** Every API method the simulator has, per era. */
import { accessRoutes } from "./access";
import { indexRoutes } from "./cluster/indexes";
import { logRoutes } from "./cluster/log";
import { nodeFactRoutes } from "./cluster/node-facts";
import { nodeRoutes } from "./cluster/nodes";
import { clusterRoutes } from "./cluster/resources";
import { taskRoutes } from "./cluster/task-routes";
import { guestRoutes } from "./guests";
import { haRoutes } from "./ha";
import { backupDefaultsRoute } from "./jobs/backup-defaults";
import { backupJobRoutes } from "./jobs/backup-jobs";
import { scheduleRoutes } from "./jobs/schedule-routes";
import type { Route } from "./kernel";
import { poolRoutes } from "./pools/pools";
import { replicationRoutes } from "./replication";
import type { Era } from "./state";
import { volumeRoutes } from "./volumes";

export function routesOf(era: Era): Route[] {
  return [
    ...indexRoutes(era),
    ...accessRoutes(era),
    ...clusterRoutes(era),
    ...nodeRoutes(era),
    ...nodeFactRoutes(era),
    ...logRoutes,
    ...taskRoutes,
    ...poolRoutes,
    ...guestRoutes(era),
    ...haRoutes(era),
    ...replicationRoutes(era),
    ...backupJobRoutes(era),
    backupDefaultsRoute(era),
    ...scheduleRoutes,
    ...volumeRoutes(era),
  ];
}
