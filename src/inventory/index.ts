export { type ClusterClients, createClusterClients, NoConnectionError } from "./clients";
export { type KeyOf, storageClassesOf, toInventory, toPoolPolicy } from "./facts";
export {
  type ClusterSnapshot,
  type FederationSnapshot,
  findGuestsByTag,
  isOutage,
  type LocatedGuest,
  type ReachableCluster,
  takeSnapshot,
  type UnreachableCluster,
} from "./snapshot";
