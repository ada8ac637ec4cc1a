/** Operations on storages and volumes. */
import type { Route } from "../kernel";
import type { Era } from "../state";
import { configurationRoutes } from "./configuration";
import { configurationChangeRoutes } from "./configuration-change";
import { contentRoutes } from "./content";
import { pruneRoutes } from "./prune";
import { statusRoutes } from "./status";

export { contentBlocks, type DiskContent, diskChecksum, writeBlocks, zeroBlock } from "./blocks";

export function volumeRoutes(era: Era): Route[] {
  return [...configurationRoutes(era), ...configurationChangeRoutes(era), ...statusRoutes(era), ...contentRoutes(), ...pruneRoutes()];
}
