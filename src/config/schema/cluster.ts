import { isIP } from "node:net";
import { z } from "zod";
import { capacityRules } from "./capacity";
import { apiUrl, cloudConfigCredentialKeys, connection } from "./connection";
import {
  bandwidth,
  bridgeName,
  clusterId,
  count,
  latency,
  logicalName,
  nodeName,
  price,
  range,
  refined,
  size,
  storageId,
  text,
  ValueError,
  vmid,
  volumeId,
} from "./scalars";

const placeName = text();
const place = z.strictObject({
  name: placeName.describe("In words, for example Amsterdam, NL."),
  latitude: z.number().min(-90, "a latitude is between -90 and 90").max(90, "a latitude is between -90 and 90").optional(),
  longitude: z.number().min(-180, "a longitude is between -180 and 180").max(180, "a longitude is between -180 and 180").optional(),
});

const capabilities = z.strictObject({
  max_vms: count().optional().describe("The most VMs on this cluster."),
  supports_ceph: z.boolean().optional(),
  supports_ha: z.boolean().optional(),
  backup_enabled: z.boolean().optional(),
  live_migration: z.boolean().optional(),
  nested_virtualization: z.boolean().optional(),
});

const subnet = () =>
  refined(text(), (value) => {
    const [address = "", prefix = "", ...rest] = value.split("/");
    const family = isIP(address);
    if (rest.length > 0 || family === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === 4 ? 32 : 128)) {
      throw new ValueError(`${JSON.stringify(value)} is not a subnet`, "Write address/prefix, for example 10.0.0.0/16.");
    }
    return value;
  });

const crossConnect = z.strictObject({
  target_cluster: clusterId().describe("Id of the other cluster."),
  type: z.enum(["vpn", "mpls", "direct"]).optional(),
  latency: latency().optional().describe("Round trip, for example 25ms."),
  bandwidth: bandwidth().optional().describe("For example 1Gbps."),
});

const bridge = z.strictObject({
  bridge: bridgeName(),
  vlan: z.int().min(1, "a VLAN is between 1 and 4094").max(4094, "a VLAN is between 1 and 4094").optional(),
  mtu: z.int().min(576, "an MTU is between 576 and 65520").max(65_520, "an MTU is between 576 and 65520").optional(),
});

const network = z.strictObject({
  public_subnet: subnet().optional(),
  private_subnet: subnet().optional(),
  vlan_range: range("VLANs", 1, 4094).optional().describe("[first, last] or first-last."),
  bridges: z.array(bridgeName()).optional(),
  networks: z
    .record(logicalName(), z.union([bridgeName(), bridge]))
    .optional()
    .describe("Logical network name → bridge, or bridge with VLAN and MTU."),
  uplink_speed: bandwidth().optional().describe("For example 10Gbps."),
  cross_connects: z.array(crossConnect).optional().describe("Links to other clusters."),
  cross_connect: z.array(crossConnect).optional().describe("Other spelling of cross_connects."),
});

const backend = z.strictObject({
  name: storageId().describe("Storage id on this cluster."),
  type: text().optional().describe("Storage type, for example ceph, lvmthin, nfs, zfspool."),
  capacity: size().optional(),
  available: size().optional(),
  performance_tier: z.enum(["nvme", "ssd", "hdd"]).optional(),
  features: z.array(z.enum(["snapshots", "thin-provision", "encryption", "compression", "deduplication"])).optional(),
});

const storage = z.strictObject({
  primary_storage: storageId().optional().describe("Storage of disks that name no class."),
  classes: z.record(logicalName(), storageId()).optional().describe("Logical storage class → storage id on this cluster."),
  backends: z.array(backend).optional(),
  replication_targets: z
    .array(
      z.strictObject({
        target_cluster: clusterId(),
        target_storage: storageId(),
        schedule: text().describe("cron (0 2 * * *) or Proxmox calendar event (daily, 02:00)."),
        type: z.enum(["async", "sync"]).optional().describe("Default async."),
      }),
    )
    .optional(),
});

const node = z.strictObject({
  name: nodeName(),
  cores: count().optional().describe("Physical cores, for planning without the cluster."),
  memory: size().optional().describe("For planning without the cluster."),
  status: z.enum(["active", "cordoned", "draining"]).optional().describe("Default active."),
  tags: z.array(text()).optional(),
  hardware_class: text().optional(),
});

const prices = z.strictObject({
  core_month: price().optional(),
  memory_gib_month: price().optional(),
  storage_gib_month: price().optional(),
  egress_gib: price().optional(),
});

export const cluster = z.strictObject({
  id: clusterId().optional().describe("Unique id; default: the region."),
  name: text().optional().describe("For people; default: the id."),
  provider: text().optional().describe("Hosting company."),
  location: z.union([placeName, place]).optional().describe("In words, or with coordinates."),
  jurisdiction: text().optional().describe("Law that applies there; compared exactly with residency rules."),
  region: clusterId().optional().describe("Kubernetes topology region; default: the id."),
  tier: z.enum(["primary", "secondary", "edge"]).optional().describe("Default secondary."),
  status: z.enum(["active", "cordoned", "draining", "lost"]).optional().describe("Default active."),
  fenced: z.boolean().optional().describe("Of a lost cluster: its guests certainly cannot run any more. Default false."),
  returned: z.enum(["stop-old-copies"]).optional().describe("Of a cluster that is back: stop copies whose successors stand elsewhere."),
  tags: z.array(text()).optional(),
  metadata: z.record(text(), refined(z.union([z.string(), z.number(), z.boolean()]), String)).optional(),
  connection: connection.optional(),
  capabilities: capabilities.optional(),
  network: network.optional(),
  storage: storage.optional(),
  images: z.record(logicalName(), volumeId()).optional().describe("Logical image name → volume id."),
  templates: z.record(logicalName(), vmid()).optional().describe("Logical template name → vmid of a template."),
  nodes: z.array(node).optional(),
  prices: prices.optional().describe("In one currency unit of your choice, per month; egress per GiB."),
  vmid_range: range("vmids", 100, 999_999_999).optional().describe("New guests get a vmid from this range."),
  placement: capacityRules.optional().describe("Overrides of the top-level placement section."),
  url: apiUrl().optional().describe("CSI cloud-config: API URL."),
  insecure: z.boolean().optional().describe("CSI cloud-config: true trusts any certificate."),
  ...cloudConfigCredentialKeys,
});
export type ClusterFile = z.output<typeof cluster>;
