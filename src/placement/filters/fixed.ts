import { bootSource } from "./boot-source";
import { clusterRules, locationRules } from "./cluster-rules";
import { clusterStatus } from "./cluster-status";
import { company } from "./company";
import type { ClusterFilter, NodeFilter } from "./filter";
import { networks } from "./networks";
import { nodeOnline } from "./node-online";
import { nodeRules } from "./node-rules";
import { nodeStatus } from "./node-status";
import { pinnedCluster, pinnedNode } from "./pin";
import { poolMember } from "./pool-member";
import { reachable } from "./reachable";
import { requestValid } from "./request-valid";
import { residency } from "./residency";
import { storageClass } from "./storage-class";

/** What the request may have on a cluster whatever other guests there are. */
export const FIXED_CLUSTER_FILTERS: readonly ClusterFilter[] = [
  requestValid,
  poolMember,
  pinnedCluster,
  clusterStatus,
  reachable,
  residency,
  locationRules,
  clusterRules,
  networks,
  bootSource,
  storageClass,
];

/** Likewise on the nodes of clusters that passed. */
export const FIXED_NODE_FILTERS: readonly NodeFilter[] = [pinnedNode, nodeStatus, nodeOnline, nodeRules, company];
