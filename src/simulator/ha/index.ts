/** High availability: configuration, status, and the manager itself. */
import type { Route } from "../kernel";
import type { Era } from "../state";
import { haGroupRoutes } from "./groups";
import { haResourceRoutes } from "./resources";
import { haRuleRoutes } from "./rules";
import { haStatusRoutes } from "./status";

export { startHaManagers } from "./manager";

export function haRoutes(era: Era): Route[] {
  return [...haResourceRoutes(era), ...haGroupRoutes(era), ...haRuleRoutes(era), ...haStatusRoutes(era)];
}
