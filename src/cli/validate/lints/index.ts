/** What a careful operator would object to in a file that is correct. Pure. */
import type { LoadedFederation } from "../../../config";
import type { Lint } from "../finding";
import { lintInert } from "./inert";
import { lintMigration } from "./migration";
import { lintPools } from "./pools";
import { lintSecurity } from "./security";

export function lint({ federation, declares }: Pick<LoadedFederation, "federation" | "declares">): Lint[] {
  return [...lintSecurity(federation), ...lintPools(federation), ...lintMigration(federation), ...lintInert(federation, declares)];
}
