/** Operations on guests. */
import type { Route } from "../kernel";
import type { Era } from "../state";

export function guestRoutes(_era: Era): Route[] {
  return [];
}
