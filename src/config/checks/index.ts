/** Everything the schema cannot see: across keys and across sections. Each check reads the file and reports. */
import { checkBackupStores } from "./backup-stores";
import { checkConnections } from "./connections";
import { checkDuplicates } from "./duplicates";
import { checkFailover } from "./failover";
import type { CheckInput } from "./input";
import { checkMigration } from "./migration";
import { checkPools } from "./pools";
import { checkReferences } from "./references";
import { checkSettings } from "./settings";
import { checkSharedCredentials } from "./shared-credentials";

export function runChecks(input: CheckInput): void {
  checkSettings(input);
  checkDuplicates(input);
  checkConnections(input);
  checkSharedCredentials(input);
  checkReferences(input);
  checkPools(input);
  checkBackupStores(input);
  checkMigration(input);
  checkFailover(input);
}
