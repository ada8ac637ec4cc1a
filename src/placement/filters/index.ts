import { bootSource } from "./boot-source";
import { clusterRules, locationRules } from "./cluster-rules";
import { clusterStatus } from "./cluster-status";
import { company } from "./company";
import type { ClusterFilter, NodeFilter } from "./filter";
import { guestAffinity } from "./guest-affinity";
import { guestAntiAffinity } from "./guest-anti-affinity";
import { guestSpread } from "./guest-spread";
import { maxVms } from "./max-vms";
import { networks } from "./networks";
import { nodeOnline } from "./node-online";
import { nodeResources } from "./node-resources";
import { nodeRules } from "./node-rules";
import { nodeStatus } from "./node-status";
import { pinnedCluster, pinnedNode } from "./pin";
import { poolLimits } from "./pool-limits";
import { poolMember } from "./pool-member";
import { reachable } from "./reachable";
import { requestValid } from "./request-valid";
import { residency } from "./residency";
import { storageClass } from "./storage-class";
import { storageSpace } from "./storage-space";
import { survival } from "./survival";

export type { ClusterFilter, NodeFilter } from "./filter";

/** In this order; the first that fails is the one reported. What the request may never have comes before what is short today. */
export const CLUSTER_FILTERS: readonly ClusterFilter[] = [
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
  poolLimits,
  maxVms,
];

/** On the nodes of clusters that passed, in this order. */
export const NODE_FILTERS: readonly NodeFilter[] = [
  pinnedNode,
  nodeStatus,
  nodeOnline,
  nodeRules,
  company,
  guestAntiAffinity,
  guestAffinity,
  guestSpread,
  storageSpace,
  nodeResources,
  survival,
];
