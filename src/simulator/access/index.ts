import type { Route } from "../kernel";
import type { Era } from "../state";
import { roleRoutes } from "./roles";
import { ticketRoutes } from "./ticket";
import { tokenRoutes } from "./tokens";
import { userRoutes } from "./users";

/** Everything below `/access`. */
export function accessRoutes(era: Era): Route[] {
  return [...ticketRoutes(era), ...userRoutes, ...tokenRoutes(era), ...roleRoutes(era)];
}
