/** The methods this version can move by. */
import type { MigrationMethod } from "../config";
import { backupRestore } from "./backup-restore";
import type { MoveJournal } from "./mark";
import type { MoveMethod } from "./move-method";
import { offlineMove, storageMove } from "./remote-move";

const METHODS: Partial<Record<MigrationMethod, MoveMethod>> = {
  "backup-restore": backupRestore,
  storage: storageMove,
  offline: offlineMove,
};

/** @throws for a method of a newer version: its journal is left alone. */
export function methodOf({ method = "backup-restore" }: Pick<MoveJournal, "method">): MoveMethod {
  const found = METHODS[method];
  if (!found) throw new Error(`Method ${method} is not supported by this version: finish the move with the version that began it.`);
  return found;
}
