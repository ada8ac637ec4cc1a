import type { ClusterFilter, NodeFilter } from "./filter";
import { FIXED_CLUSTER_FILTERS, FIXED_NODE_FILTERS } from "./fixed";
import { guestAffinity } from "./guest-affinity";
import { guestAntiAffinity } from "./guest-anti-affinity";
import { guestSpread } from "./guest-spread";
import { maxVms } from "./max-vms";
import { nodeResources } from "./node-resources";
import { poolLimits } from "./pool-limits";
import { storageSpace } from "./storage-space";
import { survival } from "./survival";

export type { ClusterFilter, NodeFilter } from "./filter";

/** In this order; the first that fails is the one reported. What the request may never have comes before what is short today. */
export const CLUSTER_FILTERS: readonly ClusterFilter[] = [...FIXED_CLUSTER_FILTERS, poolLimits, maxVms];

/** On the nodes of clusters that passed, in this order. */
export const NODE_FILTERS: readonly NodeFilter[] = [
  ...FIXED_NODE_FILTERS,
  guestAntiAffinity,
  guestAffinity,
  guestSpread,
  storageSpace,
  nodeResources,
  survival,
];
