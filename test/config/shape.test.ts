import { describe, expect, it, test } from "vitest";
import { complete, errors } from "./sound-file";

describe("shape", () => {
  test.each<[name: string, text: string, expected: string]>([
    [
      "unknown root key",
      complete({ rest: "resource_pool: []" }),
      "7 resource_pool: resource_pool: unknown key `resource_pool`. Did you mean `resource_pools`?",
    ],
    [
      "unknown key of a cluster",
      complete({ cluster: "lcoation: Amsterdam" }),
      "5 lcoation: clusters[0].lcoation: unknown key `lcoation`. Did you mean `location`?",
    ],
    [
      "camel case",
      complete({ cluster: "vmidRange: [100, 200]" }),
      "5 vmidRange: clusters[0].vmidRange: unknown key `vmidRange`. Did you mean `vmid_range`?",
    ],
    [
      "unknown key far from all",
      complete({ rest: "federation: { zzzzzzzz: 1 }" }),
      "7 zzzzzzzz: federation.zzzzzzzz: unknown key `zzzzzzzz`. Known keys here: name, primary_cluster, failover_priority, sync_interval, health_check_interval, default_pool.",
    ],
    [
      "unknown key inside one of two forms",
      complete({ cluster: "location: { name: x, town: y }" }),
      "5 town: clusters[0].location.town: unknown key `town`. Known keys here: name, latitude, longitude.",
    ],
    [
      "unknown key in a record",
      complete({ cluster: "network: { networks: { lan: { bridge: vmbr0, vlna: 3 } } }" }),
      "5 vlna: clusters[0].network.networks.lan.vlna: unknown key `vlna`. Did you mean `vlan`?",
    ],
    [
      "case of an enum",
      complete({ cluster: "tier: Primary" }),
      '5 Primary: clusters[0].tier: "Primary" is not one of primary, secondary, edge. Did you mean `primary`?',
    ],
    [
      "template in a complete file",
      complete({ cluster: "tier: primary|edge" }),
      '5 primary: clusters[0].tier: "primary|edge" lists the possible values. Choose one of primary, secondary, edge.',
    ],
    [
      "number for text",
      complete({ cluster: "jurisdiction: 7" }),
      "5 7: clusters[0].jurisdiction: must be a text, not a number. Put it in quotes.",
    ],
    [
      "text for number",
      complete({ cluster: "capabilities: { max_vms: many }" }),
      "5 many: clusters[0].capabilities.max_vms: must be a number, not a text",
    ],
    [
      "fraction for whole number",
      complete({ cluster: "capabilities: { max_vms: 1.5 }" }),
      "5 1: clusters[0].capabilities.max_vms: must be a whole number, not 1.5",
    ],
    [
      "key without a value",
      complete({ cluster: "network:" }),
      "5 network: clusters[0].network: has no value. Give it one or remove the key; check the indentation of the lines below.",
    ],
    ["text for a list", complete({ cluster: "tags: production" }), "5 production: clusters[0].tags: must be a list, not a text"],
    ["neither of two forms", complete({ cluster: "location: [52, 4]" }), "5 [: clusters[0].location: must not be a list"],
    ["missing key", complete({ rest: "resource_pools: [{ clusters: [a] }]" }), "7 {: resource_pools[0].name: `name` is missing"],
    [
      "missing enum",
      complete({ rest: "backup_stores: [{ name: s, storages: { a: x1, b: x1 } }]" }),
      "7 {: backup_stores[0].type: `type` is missing. It is one of pbs, nfs, cifs, dir.",
    ],
    [
      "bad name in a record",
      complete({ cluster: 'images: { "a/b": "local:x" }' }),
      '5 ": clusters[0].images["a/b"]: "a/b" is not a name. Use letters, digits, `-`, `_`, `.` and spaces.',
    ],
  ])("%s", (_name, text, expected) => {
    expect(errors(text)).toEqual([expected]);
  });
});

describe("values", () => {
  const inCluster = (key: string, value: string) => complete({ cluster: `${key}: ${value}` });
  test.each<[text: string, expected: string]>([
    [
      inCluster("location", "{ name: x, latitude: 200, longitude: 1 }"),
      "5 200: clusters[0].location.latitude: a latitude is between -90 and 90",
    ],
    [inCluster("location", "{ name: x, latitude: 20 }"), "5 {: clusters[0].location: coordinates need both `latitude` and `longitude`"],
    [inCluster("vmid_range", "[200, 100]"), "5 [: clusters[0].vmid_range: the range 200-100 is reversed. Write [100, 200]."],
    [inCluster("vmid_range", "1-99"), "5 1-99: clusters[0].vmid_range: the range 1-99 leaves 100-999999999, which vmids allow"],
    [
      inCluster("vmid_range", "[100]"),
      '5 [: clusters[0].vmid_range: is not a range of vmids. Write [first, last] or "first-last", for example [100, 999999999].',
    ],
    [
      inCluster("network", "{ vlan_range: 4000-5000 }"),
      "5 4000-5000: clusters[0].network.vlan_range: the range 4000-5000 leaves 1-4094, which VLANs allow",
    ],
    [
      inCluster("network", "{ public_subnet: 10.0.0.0/33 }"),
      '5 10: clusters[0].network.public_subnet: "10.0.0.0/33" is not a subnet. Write address/prefix, for example 10.0.0.0/16.',
    ],
    [
      inCluster("network", "{ uplink_speed: 0Mbps }"),
      "5 0Mbps: clusters[0].network.uplink_speed: a bandwidth of 0 lets nothing through. Leave the key out for no limit.",
    ],
    [
      inCluster("network", "{ uplink_speed: 10G }"),
      '5 10G: clusters[0].network.uplink_speed: "10G" is ambiguous. Write 10Gbps for bits or 10GB/s for bytes.',
    ],
    [inCluster("capabilities", "{ max_vms: -1 }"), "5 -1: clusters[0].capabilities.max_vms: must be at least 1"],
    [
      inCluster("nodes", "[{ name: n1, memory: 64G }]"),
      '5 64G: clusters[0].nodes[0].memory: "64G" is ambiguous. Write 64GiB (binary, as Proxmox counts) or 64GB (decimal).',
    ],
    [inCluster("prices", "{ core_month: -3 }"), "5 -3: clusters[0].prices.core_month: must not be negative"],
    [inCluster("prices", "{ core_month: .nan }"), "5 .: clusters[0].prices.core_month: must be a number, not NaN"],
    [
      inCluster("placement", "{ reserve: { cpu: 1.5 } }"),
      "5 1: clusters[0].placement.reserve.cpu: 1.5 as a share is ambiguous. Write 1.5% or a fraction below 1.",
    ],
    [inCluster("placement", "{ reserve: { cpu: 100% } }"), '5 100: clusters[0].placement.reserve.cpu: "100%" must be below 100%'],
    [inCluster("placement", "{ overcommit: { cpu: 0 } }"), "5 0: clusters[0].placement.overcommit.cpu: must be more than 0"],
    [inCluster("templates", "{ base: 99 }"), "5 99: clusters[0].templates.base: vmids start at 100"],
    [
      inCluster("images", "{ base: debian.qcow2 }"),
      '5 debian: clusters[0].images.base: "debian.qcow2" is not a volume id. Write storage:path, for example local:import/debian-13.qcow2.',
    ],
    [
      inCluster("storage", "{ backends: [{ name: s1, capacity: 1TB, available: 1TiB }] }"),
      "5 1TiB: clusters[0].storage.backends[0].available: more is available than the capacity. Swap or correct the two.",
    ],
    [
      inCluster("network", "{ vlan_range: 100-199, networks: { in: { bridge: vmbr0, vlan: 199 }, out: { bridge: vmbr0, vlan: 200 } } }"),
      "5 200: clusters[0].network.networks.out.vlan: VLAN 200 is outside of the cluster's vlan_range 100-199. Correct one of the two.",
    ],
    [
      inCluster("region", "eu/west"),
      '5 eu: clusters[0].region: "eu/west" is not a cluster id. Use letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit.',
    ],
    [
      complete({ rest: "resource_pools: [{ name: a b, clusters: [a] }]" }),
      '7 a: resource_pools[0].name: "a b" is not a Proxmox pool id. Use letters, digits, `-`, `_` and `.`; at most three levels joined by `/`.',
    ],
    [complete({ rest: "resource_pools: [{ name: p, clusters: [] }]" }), "7 [: resource_pools[0].clusters: must name at least one cluster"],
    [
      complete({ rest: "resource_pools: [{ name: p, clusters: [a], limits: { max_vms: 0 } }]" }),
      "7 0: resource_pools[0].limits.max_vms: must be at least 1",
    ],
    [complete({ rest: "federation: { sync_interval: 60d }" }), "7 60d: federation.sync_interval: must be at most 24 days"],
    [complete({ rest: "federation: { sync_interval: 0 }" }), "7 0: federation.sync_interval: must be longer than 0"],
    [
      complete({ rest: "federation: { default_pool: a/b/c/d }" }),
      '7 a: federation.default_pool: "a/b/c/d" is not a Proxmox pool id. Use letters, digits, `-`, `_` and `.`; at most three levels joined by `/`.',
    ],
    [
      complete({ rest: "migration_policies: { migration_window: { start: '25:00', end: '06:00' } }" }),
      '7 \': migration_policies.migration_window.start: "25:00" is not a time of day. Write hours and minutes in quotes, for example "22:00".',
    ],
    [
      complete({ rest: "migration_policies: { migration_window: { start: '06:00', end: '06:00' } }" }),
      '7 {: migration_policies.migration_window: the window starts when it ends. Write start "00:00" and end "24:00" for a whole day.',
    ],
    [
      complete({ rest: "migration_policies: { migration_window: { start: '22:00', end: '06:00', timezone: Europe/Atlantis } }" }),
      '7 Europe: migration_policies.migration_window.timezone: "Europe/Atlantis" is not a time zone. Use an IANA name such as Europe/Amsterdam, or UTC.',
    ],
  ])("%#", (text, expected) => {
    expect(errors(text)).toEqual([expected]);
  });

  it("an id that every object has is refused", () => {
    expect(errors("clusters: [{ id: constructor }]")).toEqual([
      "1 constructor: clusters[0].id: `constructor` is reserved. Choose another name.",
    ]);
  });
});
