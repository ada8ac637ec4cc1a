export { type BackupServerClients, createBackupServerClients } from "./backup-servers";
export { type ClusterClients, connectAs, createClusterClients, NoConnectionError } from "./clients";
export { DeadlineError, withinDeadline } from "./deadline";
export { type KeyOf, storageClassesOf, toInventory, toPoolPolicy } from "./facts";
export {
  type ClusterSnapshot,
  type FederationSnapshot,
  findGuestsByTag,
  isOutage,
  type LocatedGuest,
  type LookOptions,
  type ReachableCluster,
  takeSnapshot,
  type UnreachableCluster,
} from "./snapshot";
