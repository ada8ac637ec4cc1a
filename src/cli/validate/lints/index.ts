/** What a careful operator would object to in a file that is correct. Pure. */
import type { Federation } from "../../../config";
import type { Lint } from "../finding";
import { lintMigration } from "./migration";
import { lintPools } from "./pools";
import { lintSecurity } from "./security";

export function lint(federation: Federation): Lint[] {
  return [...lintSecurity(federation), ...lintPools(federation), ...lintMigration(federation)];
}
