/** Operations on guests: life cycle, disks, snapshots, backup, restore, migration. */
import type { Route } from "../kernel";
import type { Era } from "../state";
import { agentRoutes } from "./agent";
import { cloneRoute } from "./clone";
import { configViewRoutes } from "./config-view";
import { createRoute } from "./create";
import { deleteRoute } from "./delete";
import { featureRoute } from "./features";
import { migrateRoutes } from "./migrate";
import { moveDiskRoute } from "./move-disk";
import { remoteRoutes } from "./remote/routes";
import { resizeRoute } from "./resize";
import { snapshotRoutes } from "./snapshots";
import { statusRoutes } from "./status";
import { templateRoute } from "./template";
import { updateRoutes } from "./update";
import { vzdumpRoutes } from "./vzdump";

export function guestRoutes(era: Era): Route[] {
  return [
    createRoute(era),
    deleteRoute(),
    cloneRoute(),
    templateRoute(),
    resizeRoute(),
    moveDiskRoute(),
    featureRoute(),
    ...configViewRoutes(),
    ...updateRoutes(era),
    ...statusRoutes(era),
    ...snapshotRoutes(),
    ...agentRoutes(era),
    ...migrateRoutes(era),
    ...remoteRoutes(),
    ...vzdumpRoutes(era),
  ];
}
