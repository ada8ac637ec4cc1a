import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { safeParseFederation, type TimeWindow, WEEKDAYS, type Weekday } from "../../src/config";
import { windowsOpenTogether } from "../../src/config/window-sets";
import { complete, errors, findings, warnings } from "./sound-file";

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
      /rules\[0\]\.value: no member of pool `p` has the tier `edge`: nothing could ever be placed/,
    ],
    [
      "must of the file's policy that a pool without its own cannot meet",
      complete({
        rest: "resource_pools: [{ name: p, clusters: [a, b] }, { name: q, clusters: [b], placement_policy: {} }]\nplacement_policy: { rules: [{ type: affinity, target: tier, operator: must, value: edge }] }",
      }),
      /placement_policy\.rules\[0\]\.value: no member of pool `p` has the tier `edge`/,
    ],
    [
      "must_not that every member meets",
      rules("{ type: location, target: tier, operator: must_not, value: secondary }"),
      /rules\[0\]\.value: every member of pool `p` has the tier `secondary`: nothing could ever be placed/,
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

describe("spread, windows, schedules and survival", () => {
  const pool = (policy: string, more = "") =>
    complete({ rest: `resource_pools: [{ name: p, clusters: [a, b]${more}, placement_policy: { ${policy} } }]` });
  const rules = (...list: string[]): string => pool(`rules: [${list.join(", ")}]`);
  const by = (start: string, end: string) => `window: { start: "${start}", end: "${end}" }`;

  test.each<[name: string, text: string, expected: RegExp]>([
    [
      "spread of something else than guests",
      rules("{ type: spread, target: cluster, operator: must, value: a }"),
      /rules\[0\]\.target: `spread` counts guests by a tag of theirs\. Write target tag/,
    ],
    [
      "spread that is forbidden",
      rules("{ type: spread, target: tag, operator: should_not, value: web }"),
      /rules\[0\]\.operator: `spread` with `should_not` has no meaning\. Write must or should\./,
    ],
    [
      "a skew of nothing",
      rules("{ type: spread, target: tag, operator: must, value: web, max_skew: 0 }"),
      /rules\[0\]\.max_skew: must be at least 1/,
    ],
    [
      "must against must_not in windows that meet",
      rules(
        `{ type: affinity, target: cluster, operator: must, value: a, ${by("08:00", "18:00")} }`,
        `{ type: affinity, target: cluster, operator: must_not, value: a, ${by("17:00", "20:00")} }`,
      ),
      /rules\[1\]\.operator: `must_not` contradicts the rule above with `must` for cluster `a` \(in the window 08:00–18:00 UTC and 17:00–20:00 UTC\)/,
    ],
    [
      "two musts of which one always holds",
      rules(
        "{ type: affinity, target: cluster, operator: must, value: a }",
        `{ type: affinity, target: cluster, operator: must, value: b, ${by("17:00", "20:00")} }`,
      ),
      /rules\[1\]\.value: a guest cannot be bound to cluster `a` and `b` at once \(in the window 17:00–20:00 UTC\)/,
    ],
    [
      "a window that never opens",
      rules(`{ type: affinity, target: cluster, operator: must, value: a, ${by("08:00", "08:00")} }`),
      /rules\[0\]\.window: the window starts when it ends/,
    ],
    [
      "a zone nobody knows",
      pool('schedule: [{ window: { start: "1:00", end: "2:00", timezone: Mars }, strategy: cost }]'),
      /schedule\[0\]\.window\.timezone: "Mars" is not a time zone/,
    ],
    ["a schedule without hours", pool("schedule: [{ strategy: cost }]"), /schedule\[0\]\.window: `window` is missing/],
    [
      "weights of a cluster that is not there",
      pool(`schedule: [{ ${by("1:00", "2:00")}, cluster_weights: { nowhere: 10 } }]`),
      /schedule\[0\]\.cluster_weights\.nowhere: no cluster has the id `nowhere`/,
    ],
    ["a loss that is none", pool("", ", survive: meteor"), /survive: "meteor" is not one of none, node, cluster/],
    ["none and more", pool("", ", survive: [none, node]"), /survive: `none` stands beside other losses/],
  ])("%s is an error", (_name, text, expected) => {
    expect(errors(text)).toEqual([expect.stringMatching(expected)]);
  });

  test.each<[name: string, text: string, expected: RegExp]>([
    [
      "a max_skew without spread",
      rules("{ type: anti-affinity, target: tag, operator: must, value: web, max_skew: 2 }"),
      /max_skew: a max_skew has no effect on a anti-affinity rule/,
    ],
    ["an entry that changes nothing", pool(`schedule: [{ ${by("1:00", "2:00")} }]`), /schedule\[0\]: this entry changes nothing/],
    [
      "the same rule in the same window",
      rules(...Array.from({ length: 2 }, () => `{ type: affinity, target: tag, operator: should, value: x, ${by("1:00", "2:00")} }`)),
      /rules\[1\]: the same rule stands above/,
    ],
  ])("%s is a warning", (_name, text, expected) => {
    expect(errors(text)).toEqual([]);
    expect(warnings(text)).toContainEqual(expect.stringMatching(expected));
  });

  test("musts that take turns contradict nothing", () => {
    const text = rules(
      `{ type: affinity, target: cluster, operator: must, value: a, ${by("06:00", "18:00")} }`,
      `{ type: affinity, target: cluster, operator: must, value: b, ${by("18:00", "06:00")} }`,
      "{ type: spread, target: tag, operator: must, value: web, scope: cluster, max_skew: 2 }",
    );
    expect(findings(text)).toEqual(findings(complete({ rest: "resource_pools: [{ name: p, clusters: [a, b] }]" })));
  });

  test("a pool survives what it says, else what the federation says, else nothing", () => {
    const survived = (own: string, everywhere: string) =>
      safeParseFederation(complete({ rest: `resource_pools: [{ name: p, clusters: [a, b]${own} }]\nplacement: {${everywhere}}` }), "f.yaml")
        .federation?.resourcePools[0]?.survive;
    expect(survived("", "")).toEqual([]);
    expect(survived("", " survive: node ")).toEqual(["node"]);
    expect(survived(", survive: none", " survive: node ")).toEqual([]);
    expect(survived(", survive: [cluster, node]", " survive: none ")).toEqual(["node", "cluster"]);
  });
});

describe("windows that are open together", () => {
  const window = (start: number, end: number, timezone: string): TimeWindow => ({
    days: [...WEEKDAYS],
    startMinute: start * 60,
    endMinute: end * 60,
    timezone,
  });

  test("are found among zones, the largest sets only", () => {
    const windows = [window(9, 17, "Europe/Amsterdam"), window(9, 17, "America/New_York"), window(9, 17, "Asia/Singapore")];
    expect(windowsOpenTogether(windows).sort()).toEqual([
      [0, 1],
      [0, 2],
    ]);
  });

  test("agree with asking every quarter of an hour of a year", () => {
    const zones = ["UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe"];
    // Clocks change in the small hours, where a wall-clock time may be skipped or come twice.
    const hour = fc.integer({ min: 5, max: 23 });
    const arbitrary = fc
      .record({ start: hour, end: hour, zone: fc.constantFrom(...zones), days: fc.subarray([...WEEKDAYS], { minLength: 1 }) })
      .filter(({ start, end }) => start !== end)
      .map(({ start, end, zone, days }): TimeWindow => ({ ...window(start, end, zone), days }));
    fc.assert(
      fc.property(fc.tuple(arbitrary, arbitrary), ([left, right]) => {
        const together = windowsOpenTogether([left, right]).some((open) => open.length === 2);
        let seen = false;
        const from = Date.UTC(2026, 0, 5);
        for (let at = from; at < from + 364 * 86_400_000 && !seen; at += 900_000) seen = isOpenAt(left, at) && isOpenAt(right, at);
        expect(together).toBe(seen);
      }),
      { numRuns: 6 },
    );
  });

  /** By the zone's own idea of day and hour; the windows of this test begin and end at full hours. */
  function isOpenAt({ days, startMinute, endMinute, timezone }: TimeWindow, at: number): boolean {
    const format = formats.get(timezone) ?? new Intl.DateTimeFormat("en-GB", { ...CLOCK, timeZone: timezone });
    formats.set(timezone, format);
    const [day = "", hours = "", minutes = ""] = format
      .format(at)
      .toLowerCase()
      .split(/[ :,]+/);
    const minute = Number(hours) * 60 + Number(minutes);
    const today = day as Weekday;
    const yesterday = WEEKDAYS[(WEEKDAYS.indexOf(today) + 6) % 7]!;
    if (startMinute < endMinute) return days.includes(today) && startMinute <= minute && minute < endMinute;
    return (days.includes(today) && minute >= startMinute) || (days.includes(yesterday) && minute < endMinute);
  }
  const CLOCK = { weekday: "short", hour: "2-digit", minute: "2-digit" } as const;
  const formats = new Map<string, Intl.DateTimeFormat>();
});
