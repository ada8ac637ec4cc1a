import { describe, expect, it, test } from "vitest";
import { formatIssue, safeParseFederation } from "../../src/config";

/** Each finding with the line and the text at its place instead of the column: `5 lcoation: clusters[0].lcoation: unknown key …`. */
const findings = (text: string): string[] =>
  safeParseFederation(text, "f.yaml").issues.map((issue) => {
    const place = text.split("\n")[issue.line - 1]!.slice(issue.column - 1);
    const shown = formatIssue(issue).replace(
      `f.yaml:${issue.line}:${issue.column}:`,
      `${issue.line} ${/^[\w-]*/.exec(place)![0] || place.slice(0, 1)}:`,
    );
    return issue.severity === "warning" ? `warning ${shown}` : shown;
  });
const errors = (text: string): string[] => findings(text).filter((line) => !line.startsWith("warning "));
const warnings = (text: string): string[] =>
  findings(text)
    .filter((line) => line.startsWith("warning "))
    .map((line) => line.slice("warning ".length));

/** A sound file; `cluster` and `rest` are inserted into cluster `a` and at the end. */
const complete = ({ cluster = "", connection = CONNECTION, rest = "" }: { cluster?: string; connection?: string; rest?: string }): string =>
  [
    "name: acme", // 1
    "clusters:", // 2
    "  - id: a", // 3
    `    connection: ${connection}`, // 4
    `    ${cluster}`, // 5
    "  - { id: b, tags: [spare], connection: { api_url: 'https://b:8006', token_id: u@pve!tb, token_secret_env: B, ca_file: b.pem } }", // 6
    rest, // 7
    "",
  ].join("\n");
const CONNECTION = "{ api_url: 'https://a:8006', token_id: u@pve!ta, token_secret_env: A, ca_file: a.pem }";
const FINGERPRINT = Array(32).fill("ab").join(":");

test("the sound file of these tests has no finding", () => {
  expect(findings(complete({}))).toEqual([]);
});

describe("YAML", () => {
  test.each<[name: string, text: string, expected: string[]]>([
    ["empty", "", ["1 : the file is empty. Start with a `clusters:` list."]],
    ["only comments", "# nothing\n\n", ["1 #: the file is empty. Start with a `clusters:` list."]],
    ["a tab", "clusters:\n\t- id: a\n", ["2 	: a tab is used for indentation. YAML indents with spaces only."]],
    ["a key twice", "clusters:\n  - id: a\n    id: b\n", ["3 id: clusters[0].id: key `id` is given twice. Keep one of them."]],
    ["a root key twice", "clusters: []\nclusters: []\n", ["2 clusters: clusters: key `clusters` is given twice. Keep one of them."]],
    [
      "two documents",
      "name: a\n---\nname: b\n",
      ["2 ---: the file holds more than one YAML document. Keep one federation per file and remove the `---` line."],
    ],
    [
      "an alias without anchor",
      "clusters:\n  - *nobody\n",
      [
        "2 *: clusters[0]: alias `*nobody` has no anchor before it",
        "2 *: clusters[0]: has no value. Give it one or remove the key; check the indentation of the lines below.",
      ],
    ],
    ["an alias in itself", "x-a: &a { b: *a }\nclusters: []\n", ["1 *: x-a.b: alias `*a` contains itself"]],
    [
      "a merge of a text",
      "x-a: &a text\nclusters:\n  - { id: a, <<: *a }\n",
      ["1 text: clusters[0]: `<<` must name a mapping or a list of mappings"],
    ],
    ["a mapping as a key", "? { a: b }\n: c\n", ["1 {: a key must be a plain text"]],
    [
      "a reserved key",
      "clusters:\n  - id: a\n    images: { __proto__: x, constructor: y }\n",
      [
        "3 __proto__: clusters[0].images.__proto__: `__proto__` is reserved and cannot be a key. Choose another name.",
        "3 constructor: clusters[0].images.constructor: `constructor` is reserved and cannot be a key. Choose another name.",
      ],
    ],
    ["a list instead of a mapping", "- id: a\n", ["1 -: must be a mapping, not a list"]],
    ["a text instead of a mapping", "clusters\n", ["1 clusters: must be a mapping, not a text"]],
  ])("%s", (_name, text, expected) => {
    expect(errors(text)).toEqual(expected);
  });

  it("syntax errors point at the place and do not quote the line, which may hold a secret", () => {
    const [line, ...more] = errors("clusters:\n  - id: a\n    connection: { password: hunter2 ]\n");
    expect(line).toMatch(/^3 ]: not valid YAML: /);
    expect([line, ...more].join()).not.toContain("hunter2");
  });

  it("aliases that multiply are refused before they are expanded", () => {
    const levels = Array.from({ length: 12 }, (_, level) => `x-${level + 1}: &l${level + 1} [${Array(9).fill(`*l${level}`).join(", ")}]`);
    const text = ["x-0: &l0 [1]", ...levels, "clusters: []"].join("\n");
    expect(errors(text)).toEqual([expect.stringMatching(/the aliases of this file expand to more than 250000 values/)]);
  });

  it("merge keys that multiply are refused too", () => {
    const levels = Array.from({ length: 24 }, (_, level) => `x-${level + 1}: &l${level + 1} { <<: [*l${level}, *l${level}] }`);
    const text = ["x-0: &l0 { a: 1 }", ...levels, "clusters: []"].join("\n");
    expect(errors(text)).toEqual([expect.stringMatching(/expand to more than/)]);
  });

  it("nesting deeper than any stack is refused", () => {
    expect(errors(`x-deep: ${"[".repeat(20_000)}`)).toEqual(["1 x-deep: the file is nested too deeply"]);
  });

  it("the same anchor may serve many clusters; its mistake is told once", () => {
    const clusters = Array.from({ length: 200 }, (_, index) => `  - { <<: *base, id: c${index} }`);
    expect(errors(["x-base: &base { tier: primry }", "clusters:", ...clusters].join("\n"))).toEqual([
      expect.stringMatching(/^1 primry: clusters\[0\]\.tier: "primry" is not one of/),
    ]);
  });
});

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

describe("connections", () => {
  const withKeys = (keys: string): string => complete({ connection: `{ ${keys} }` });
  const TOKEN = "token_id: u@pve!ta, token_secret_env: A";
  test.each<[name: string, keys: string, expected: string]>([
    [
      "http",
      `api_url: 'http://a:8006', ${TOKEN}`,
      "4 ': clusters[0].connection.api_url: the URL begins with http://, but Proxmox is reached over https only. Write https://host:8006.",
    ],
    [
      "a path",
      `api_url: 'https://a:8006/pve', ${TOKEN}`,
      "4 ': clusters[0].connection.api_url: the URL has a path. Write https://host:8006. The API path is added by itself.",
    ],
    ["no URL", `api_url: a, ${TOKEN}`, "4 a: clusters[0].connection.api_url: is not a URL. Write https://host:8006."],
    ["no endpoint", TOKEN, "4 connection: clusters[0].connection: `api_url` is missing. Add api_url: https://host:8006."],
    [
      "two kinds of endpoint",
      `api_url: 'https://a', api_urls: ['https://a'], ${TOKEN}`,
      "4 api_urls: clusters[0].connection.api_urls: both `api_url` and `api_urls` are given. Keep one of them.",
    ],
    [
      "no credentials",
      "api_url: 'https://a'",
      "4 connection: clusters[0].connection: no credentials are given. Add `token_id` with `token_secret_env`, or `username` with `password_env`.",
    ],
    [
      "no secret",
      "api_url: 'https://a', token_id: u@pve!ta",
      "4 connection: clusters[0].connection: nothing says where the token's secret is. Add `token_secret_env`, `token_secret_file`, `token_secret_config`: one of them.",
    ],
    [
      "no user",
      "api_url: 'https://a', password_env: A",
      "4 connection: clusters[0].connection: `username` is missing. Write user@realm, for example root@pam.",
    ],
    [
      "two secrets",
      `api_url: 'https://a', ${TOKEN}, token_secret_file: x`,
      "4 token_secret_file: clusters[0].connection.token_secret_file: `token_secret_env` and `token_secret_file` are both given. Keep one of them.",
    ],
    [
      "token and password",
      `api_url: 'https://a', ${TOKEN}, username: root@pam`,
      "4 username: clusters[0].connection.username: a token (`token_id`) and a password login (`username`) are both given. Keep the token.",
    ],
    [
      "user without realm",
      "api_url: 'https://a', username: root, password_env: A",
      "4 root: clusters[0].connection.username: is not a user name with realm. Write user@realm, for example root@pam.",
    ],
    [
      "short fingerprint",
      `api_url: 'https://a', ${TOKEN}, fingerprint: 'ab:cd'`,
      "4 ': clusters[0].connection.fingerprint: is not a SHA-256 fingerprint. Write its 32 hexadecimal pairs joined by colons, as `pvenode cert info` shows them.",
    ],
    ["no time", `api_url: 'https://a', ${TOKEN}, request_timeout: 0`, "4 0: clusters[0].connection.request_timeout: must be longer than 0"],
  ])("%s", (_name, keys, expected) => {
    expect(errors(withKeys(keys))).toEqual([expected]);
  });

  const SECRET = "11111111-2222-3333-4444-555555555555";
  test.each<[name: string, keys: string, expected: RegExp]>([
    [
      "a literal token secret",
      `api_url: 'https://a', token_id: u@pve!ta, token_secret: ${SECRET}`,
      /^f\.yaml:4:\d+: clusters\[0\]\.connection\.token_secret: a secret must not stand in this file\. Use `token_secret_env` \(environment variable\), `token_secret_file`/,
    ],
    [
      "a literal password",
      `api_url: 'https://a', username: root@pam, password: ${SECRET}`,
      /connection\.password: a secret must not stand in this file\. Use `password_env`/,
    ],
    ["a numeric password", "api_url: 'https://a', username: root@pam, password: 11111111", /connection\.password: a secret must not stand/],
    [
      "the secret as a variable's name",
      `api_url: 'https://a', token_id: u@pve!ta, token_secret_env: ${SECRET}`,
      /token_secret_env: is not the name of an environment variable/,
    ],
    [
      "the secret as a file's name",
      `api_url: 'https://a', token_id: u@pve!ta, token_secret_file: ${SECRET}`,
      /token_secret_file: looks like a token secret itself\. .*Revoke the token/,
    ],
    [
      "the secret behind the token id",
      `api_url: 'https://a', token_id: u@pve!ta=${SECRET}, token_secret_env: A`,
      /token_id: holds more than the token id/,
    ],
    [
      "a password in the URL",
      `api_url: 'https://root:${SECRET}@a:8006', token_id: u@pve!ta, token_secret_env: A`,
      /api_url: a URL must not hold a user name or password/,
    ],
  ])("%s is refused and not repeated", (_name, keys, expected) => {
    const found = safeParseFederation(withKeys(keys), "f.yaml").issues.map(formatIssue);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
    expect(found[0]).not.toContain("1111");
  });

  test("a literal secret in an entry of a CSI cloud-config is refused with the way out", () => {
    const found = errors(
      `clusters:\n  - url: https://a:8006/api2/json\n    token_id: u@pve!ta\n    token_secret: ${SECRET}\n    region: a\n`,
    );
    expect(found).toEqual([
      expect.stringMatching(
        /^4 token_secret: clusters\[0\]\.token_secret: a secret must not stand in this file\. Use `token_secret_env`.*`token_secret_file`/,
      ),
    ]);
  });

  test.each<[name: string, keys: string, expected: string[]]>([
    [
      "unverified TLS",
      `api_url: 'https://a', ${TOKEN}, verify_ssl: false`,
      [
        "4 false: clusters[0].connection.verify_ssl: CERTIFICATES OF CLUSTER `a` ARE NOT VERIFIED: whoever answers at this address receives the credentials and can do anything with the cluster. Set `fingerprint` (shown by `pvenode cert info`) or `ca_file` instead.",
      ],
    ],
    [
      "unverified TLS with a pin",
      `api_url: 'https://a', ${TOKEN}, fingerprint: '${FINGERPRINT}', verify_ssl: false`,
      [
        "4 false: clusters[0].connection.verify_ssl: `verify_ssl: false` is ignored, because a `fingerprint` is given and is checked. Remove verify_ssl.",
      ],
    ],
    [
      "one variable for two clusters",
      "api_url: 'https://a', token_id: u@pve!ta, token_secret_env: B",
      [
        "6 B: clusters[1].connection.token_secret_env: environment variable B is also used by cluster `a`. Give each cluster credentials of its own.",
      ],
    ],
    [
      "one token at one host for two clusters",
      "api_url: 'https://b', token_id: u@pve!tb, token_secret_env: A",
      [
        "6 u: clusters[1].connection.token_id: token_id u@pve!tb at https://b:8006 is also used by cluster `a`. Give each cluster credentials of its own.",
      ],
    ],
  ])("%s is a warning", (_name, keys, expected) => {
    const text = withKeys(keys);
    expect(errors(text)).toEqual([]);
    expect(warnings(text)).toEqual(expected);
  });

  test("a pin wins over verify_ssl: false", () => {
    const { federation } = safeParseFederation(
      withKeys(`api_url: 'https://a', ${TOKEN}, fingerprint: '${FINGERPRINT}', verify_ssl: false`),
      "f.yaml",
    );
    expect(federation?.clusters[0]?.connection?.tls).toEqual({ fingerprint: FINGERPRINT.toUpperCase(), verify: true });
  });

  test("keys of a CSI entry beside a connection are refused", () => {
    expect(errors(complete({ cluster: "url: https://a:8006" }))).toEqual([
      "5 url: clusters[0].url: `url` stands beside `connection`. Move it into `connection` as `api_url`.",
    ]);
  });

  test("a cluster without connection among connected ones is a warning, unless it is lost", () => {
    const text = (status: string) => `${complete({})}  - { id: c, status: ${status} }\n`;
    expect(findings(text("active"))).toEqual([
      "warning 8 {: clusters[2]: the cluster has no `connection`: it can be planned for, but not contacted. Add `connection`.",
    ]);
    expect(findings(text("lost"))).toEqual([]);
  });
});

describe("names and references", () => {
  const pool = (text: string): string =>
    complete({ rest: `resource_pools: [{ name: p, clusters: [a, b], placement_policy: { ${text} } }]` });
  test.each<[name: string, text: string, expected: string]>([
    [
      "cluster without id",
      complete({}).replace("id: b, ", ""),
      "6 {: clusters[1]: the cluster has neither `id` nor `region`. Give it a unique `id`.",
    ],
    [
      "cluster id twice",
      complete({}).replace("id: b", "id: a, region: z"),
      "6 a: clusters[1].id: cluster id `a` appears twice. Keep one of them or rename it.",
    ],
    ["region twice", complete({ cluster: "region: b" }), "6 b: clusters[1].id: region `b` appears twice. Keep one of them or rename it."],
    [
      "node twice",
      complete({ cluster: "nodes: [{ name: n1 }, { name: n1 }]" }),
      "5 n1: clusters[0].nodes[1].name: node `n1` appears twice. Keep one of them or rename it.",
    ],
    [
      "pool twice",
      complete({ rest: "resource_pools: [{ name: p, clusters: [a] }, { name: p, clusters: [b] }]" }),
      "7 p: resource_pools[1].name: pool `p` appears twice. Keep one of them or rename it.",
    ],
    [
      "member twice",
      complete({ rest: "resource_pools: [{ name: p, clusters: [a, a] }]" }),
      "7 a: resource_pools[0].clusters[1]: member cluster `a` appears twice. Keep one of them or rename it.",
    ],
    [
      "path twice",
      complete({
        rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b, method: offline }, { source_cluster: a, target_cluster: b, method: storage }] }",
      }),
      "7 a: migration_policies.paths[1].source_cluster: path `a → b` appears twice. Keep one of them or rename it.",
    ],
    [
      "both spellings",
      complete({ cluster: "network: { cross_connects: [], cross_connect: [] }" }),
      "5 cross_connect: clusters[0].network.cross_connect: `cross_connect` and `cross_connects` are two spellings of one list. Keep `cross_connects`.",
    ],
    [
      "two names",
      complete({ rest: "federation: { name: other }" }),
      "7 other: federation.name: the federation is named `acme` at the top and `other` here. Keep one of them.",
    ],
    [
      "pool member",
      complete({ rest: "resource_pools: [{ name: p, clusters: [a, c] }]" }),
      "7 c: resource_pools[0].clusters[1]: no cluster has the id `c`. Declared: a, b.",
    ],
    [
      "primary cluster",
      complete({ rest: "federation: { primary_cluster: main-site }" }),
      "7 main-site: federation.primary_cluster: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "failover",
      complete({ rest: "federation: { failover_priority: [a, main-site] }" }),
      "7 main-site: federation.failover_priority[1]: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "weight",
      pool("cluster_weights: { main-site: 5 }"),
      "7 main-site: resource_pools[0].placement_policy.cluster_weights.main-site: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "cross-connect",
      complete({ cluster: "network: { cross_connects: [{ target_cluster: main-site }] }" }),
      "5 main-site: clusters[0].network.cross_connects[0].target_cluster: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "cross-connect to itself",
      complete({ cluster: "network: { cross_connects: [{ target_cluster: a }] }" }),
      "5 a: clusters[0].network.cross_connects[0].target_cluster: cluster `a` refers to itself. Name another cluster.",
    ],
    [
      "replication",
      complete({ cluster: "storage: { replication_targets: [{ target_cluster: main-site, target_storage: s1, schedule: daily }] }" }),
      "5 main-site: clusters[0].storage.replication_targets[0].target_cluster: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "migration path",
      complete({ rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: main-site, method: offline }] }" }),
      "7 main-site: migration_policies.paths[0].target_cluster: no cluster has the id `main-site`. Declared: a, b.",
    ],
    [
      "migration path to itself",
      complete({ rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: a, method: offline }] }" }),
      "7 a: migration_policies.paths[0].target_cluster: source and target are the same cluster. Moves inside a cluster need no path.",
    ],
    [
      "backup store",
      complete({ rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b, backup_store: vault }] }" }),
      "7 vault: migration_policies.paths[0].backup_store: no backup store is named `vault`. Declare it in `backup_stores`.",
    ],
    [
      "cluster of a backup store",
      complete({ rest: "backup_stores: [{ name: s, type: nfs, storages: { a: s1, c: s1 } }]" }),
      "7 c: backup_stores[0].storages.c: no cluster has the id `c`. Declared: a, b.",
    ],
    [
      "source of a backup store",
      complete({ rest: "backup_stores: [{ name: s, type: nfs, storages: { a: s1, b: { storage: s1, from: { b: s2 } } } }]" }),
      "7 b: backup_stores[0].storages.b.from.b: a cluster reads its own archives under `storage`. Remove this line.",
    ],
    [
      "rule's cluster",
      pool("rules: [{ type: affinity, target: cluster, operator: should, value: main-site }]"),
      "7 main-site: resource_pools[0].placement_policy.rules[0].value: no cluster has the id or tag `main-site`. Declared: a, b.",
    ],
    [
      "rule's tier",
      pool("rules: [{ type: affinity, target: tier, operator: should, value: primry }]"),
      '7 primry: resource_pools[0].placement_policy.rules[0].value: "primry" is not one of primary, secondary, edge. Did you mean `primary`?',
    ],
  ])("%s", (_name, text, expected) => {
    expect(errors(text)).toEqual([expected]);
  });

  test("a cluster with a mistake of its own still exists for those who refer to it", () => {
    const text = complete({ cluster: "tier: primry", rest: "resource_pools: [{ name: p, clusters: [a, x1] }]" });
    expect(errors(text)).toEqual([
      expect.stringMatching(/^5 primry: clusters\[0\]\.tier: "primry"/),
      expect.stringMatching(/^7 x1: resource_pools\[0\]\.clusters\[1\]: no cluster has the id `x1`/),
    ]);
  });

  test("mistakes of all layers come out in one run, each at its own place", () => {
    const text = complete({
      cluster: "nodes: [{ cores: 4 }, { name: n2, memory: 4G }, { name: n3 }, { name: n3 }]",
      rest: "resource_pools: [{ clusters: [zz1] }, { name: p, clusters: [a], limits: { max_vms: x } }, { name: p, clusters: [zz2] }]",
    });
    expect(errors(text).map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
      "5 {: clusters[0].nodes[0].name:",
      "5 4G: clusters[0].nodes[1].memory:",
      "5 n3: clusters[0].nodes[3].name:",
      "7 {: resource_pools[0].name:",
      "7 x: resource_pools[1].limits.max_vms:",
      "7 p: resource_pools[2].name:",
      "7 zz2: resource_pools[2].clusters[0]:",
    ]);
  });
});

describe("rules", () => {
  const rules = (...list: string[]): string =>
    complete({ rest: `resource_pools: [{ name: p, clusters: [a, b], placement_policy: { rules: [${list.join(", ")}] } }]` });
  test.each<[name: string, text: string, expected: RegExp]>([
    [
      "anti-affinity with must_not",
      rules("{ type: anti-affinity, target: tag, operator: must_not, value: db }"),
      /rules\[0\]\.operator: `anti-affinity` with `must_not` negates twice\. To keep guests apart write anti-affinity with `must`; to keep them together write affinity with `must`\./,
    ],
    [
      "anti-affinity with should_not",
      rules("{ type: anti-affinity, target: tag, operator: should_not, value: db }"),
      /rules\[0\]\.operator: `anti-affinity` with `should_not` negates twice/,
    ],
    [
      "must against must_not",
      rules("{ type: affinity, target: node, operator: must, value: n }", "{ type: affinity, target: node, operator: must_not, value: n }"),
      /rules\[1\]\.operator: `must_not` contradicts the rule above with `must` for node `n`/,
    ],
    [
      "two musts",
      rules(
        "{ type: affinity, target: cluster, operator: must, value: a }",
        "{ type: affinity, target: cluster, operator: must, value: b }",
      ),
      /rules\[1\]\.value: a guest cannot be bound to cluster `a` and `b` at once/,
    ],
    [
      "must that no member meets",
      rules("{ type: affinity, target: tier, operator: must, value: edge }"),
      /rules\[0\]\.value: no member of the pool has the tier `edge`: nothing could ever be placed/,
    ],
    [
      "must_not that every member meets",
      rules("{ type: location, target: tier, operator: must_not, value: secondary }"),
      /rules\[0\]\.value: every member of the pool has the tier `secondary`: nothing could ever be placed/,
    ],
  ])("%s is an error", (_name, text, expected) => {
    expect(errors(text)).toEqual([expect.stringMatching(expected)]);
  });

  test.each<[name: string, text: string, expected: RegExp]>([
    [
      "weight on must",
      rules("{ type: affinity, target: node, operator: must, value: n, weight: 5 }"),
      /rules\[0\]\.weight: a weight has no effect with `must`/,
    ],
    [
      "scope on location",
      rules("{ type: location, target: location, operator: should, value: n, scope: node }"),
      /rules\[0\]\.scope: a scope has no effect on a location rule/,
    ],
    [
      "tag in capitals",
      rules("{ type: anti-affinity, target: tag, operator: must, value: DB }"),
      /rules\[0\]\.value: Proxmox keeps tags in lower case/,
    ],
    [
      "same rule twice",
      rules("{ type: affinity, target: tag, operator: must, value: x }", "{ type: affinity, target: tag, operator: must, value: x }"),
      /rules\[1\]: the same rule stands above/,
    ],
    [
      "unknown provider",
      rules("{ type: affinity, target: provider, operator: should, value: Hetzner }"),
      /rules\[0\]\.value: no cluster has the provider `Hetzner`/,
    ],
    [
      "weight of a stranger",
      complete({ rest: "resource_pools: [{ name: p, clusters: [a], placement_policy: { cluster_weights: { b: 5 } } }]" }),
      /cluster_weights\.b: cluster `b` has a weight, but is no member of the pool/,
    ],
    [
      "unknown storage type",
      complete({ cluster: "storage: { backends: [{ name: s1, type: zfspol }] }" }),
      /backends\[0\]\.type: `zfspol` is not a storage type Proxmox ships/,
    ],
    [
      "no shared store",
      complete({ rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b }] }" }),
      /paths\[0\]: no backup store is reached by both `a` and `b`/,
    ],
    [
      "two shared stores",
      complete({
        rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b }] }\nbackup_stores: [{ name: s, type: nfs, storages: { a: s1, b: s1 } }, { name: t, type: nfs, storages: { a: s2, b: s2 } }]",
      }),
      /paths\[0\]: both clusters reach `s` and `t`: such a move will be refused\. Choose one with `backup_store`/,
    ],
    [
      "encryption without PBS",
      complete({
        rest: "migration_policies: { paths: [{ source_cluster: a, target_cluster: b, encryption_required: true }] }\nbackup_stores: [{ name: s, type: nfs, storages: { a: s1, b: s1 } }]",
      }),
      /encryption_required: archives on store `s` \(nfs\) are not encrypted by Proxmox/,
    ],
    [
      "store of one cluster",
      complete({ rest: "backup_stores: [{ name: s, type: nfs, storages: { a: s1 } }]" }),
      /backup_stores\[0\]\.storages: only cluster `a` reaches this store/,
    ],
    [
      "ignored spelling of the CSI plugin",
      complete({ rest: "features: { controllerVMID: 9000 }" }),
      /features\.controllerVMID: the CSI plugin reads `controllerVmID`/,
    ],
    ["no name", complete({}).replace("name: acme", ""), /the federation has no `name`; `default` is used/],
  ])("%s is a warning", (_name, text, expected) => {
    expect(errors(text)).toEqual([]);
    expect(warnings(text)).toEqual([expect.stringMatching(expected)]);
  });

  test.each(["a", "spare", "b"])("a rule's cluster may be an id or a tag: %s", (value) => {
    expect(findings(rules(`{ type: affinity, target: cluster, operator: must, value: ${value} }`))).toEqual([]);
  });

  test("a location rule's cluster may be a place", () => {
    const text = complete({
      cluster: "location: Amsterdam, NL",
      rest: "resource_pools: [{ name: p, clusters: [a, b], placement_policy: { rules: [{ type: location, target: cluster, operator: must, value: amsterdam }] } }]",
    });
    expect(findings(text)).toEqual([]);
  });
});
