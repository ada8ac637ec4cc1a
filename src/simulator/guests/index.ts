/** Operations on guests: life cycle, disks, snapshots, backup, restore, migration. */
import type { Route } from "../kernel";
import type { Era } from "../state";
import { configViewRoutes } from "./config-view";
import { createRoute } from "./create";
import { deleteRoute } from "./delete";
import { statusRoutes } from "./status";
import { updateRoutes } from "./update";

export function guestRoutes(era: Era): Route[] {
  return [createRoute(era), deleteRoute(), ...configViewRoutes(), ...updateRoutes(era), ...statusRoutes(era)];
}
