import { describe, expect, it } from "vitest";
import { safeParseFederation } from "../../src/config";
import { cronToCalendarEvent } from "../../src/config/calendar-event";

describe("a schedule", () => {
  it.each([
    ["0 2 * * *", "02:00"],
    ["30 22 * * 1-5", "mon..fri 22:30"],
    ["*/15 * * * *", "*:0/15"],
    ["5 */6 * * 0,6", "sun,sat 0/6:05"],
    ["0 8-18 * * 7", "sun 08..18:00"],
    ["02:00", "02:00"],
    ["mon..fri 22:30", "mon..fri 22:30"],
    ["*:0/30", "*:0/30"],
    ["daily", "daily"],
  ])("%s is %s for Proxmox", (text, calendar) => {
    expect(cronToCalendarEvent(text)).toBe(calendar);
  });

  it.each(["0 2 1 * *", "0 2 * 6 *", "61 * * * *", "0 25 * * *", "0 2 * * 8", "0 2 * *", "whenever", "", "5-1 * * * *"])(
    "%s is none",
    (text) => {
      expect(cronToCalendarEvent(text)).toBeUndefined();
    },
  );
});

describe("failover in the file", () => {
  const file = (cluster: string, pool: string) => `
name: acme
clusters:
  - id: a
    connection: { api_url: "https://a.example:8006", token_id: "u@pve!token", token_secret_env: A, fingerprint: "${Array(32).fill("AB").join(":")}" }
${cluster}
  - id: b
    connection: { api_url: "https://b.example:8006", token_id: "u@pve!token", token_secret_env: B, fingerprint: "${Array(32).fill("CD").join(":")}" }
backup_stores:
  - name: vault
    type: pbs
    storages: { a: pbs, b: pbs }
  - name: half
    type: nfs
    storages: { a: nas }
  - name: pbs-a
    type: pbs
    storages: { a: { storage: own, from: { b: arrivals } } }
    api: { url: "https://pa.example:8007", token_id: "u@pbs!token", token_secret_env: PA, fingerprint: "${Array(32).fill("EF").join(":")}" }
  - name: pbs-b
    type: pbs
    storages: { b: own }
    api: { url: "https://pb.example:8007", token_id: "u@pbs!token", token_secret_env: PB, fingerprint: "${Array(32).fill("EF").join(":")}" }
resource_pools:
  - name: prod
    clusters: [a, b]
${pool}
failover: { max_age: 1d, drill_bridge: vmbr99, drill_log: logs/drills.jsonl, drill_period: 120d }
migration_policies: {}
`;
  const findings = async (cluster: string, pool: string) => {
    const result = await safeParseFederation(file(cluster, pool), "federation.yaml");
    return { result, texts: (result.issues ?? []).map(({ path, message }) => `${path}: ${message}`) };
  };

  it("is read with its schedule as a calendar event", async () => {
    const { result } = await findings(
      "    status: lost\n    fenced: true",
      "    replication: { schedule: '0 2 * * *', store: vault, rpo: 25h, keep: { daily: 7, weekly: 4 } }",
    );
    expect(result.federation?.clusters[0]).toMatchObject({ status: "lost", fenced: true });
    expect(result.federation?.failover).toEqual({
      maxAgeMs: 86_400_000,
      drillBridge: "vmbr99",
      drillLog: "logs/drills.jsonl",
      drillPeriodMs: 120 * 86_400_000,
    });
    expect(result.federation?.resourcePools[0]?.replication).toEqual({
      schedule: "02:00",
      store: "vault",
      rpoMs: 25 * 3_600_000,
      keep: { daily: 7, weekly: 4 },
    });
  });

  it("has each direction in which the members' servers cannot pull", async () => {
    const { result } = await findings(
      "",
      "    replication: { schedule: '02:00', store: [pbs-a, pbs-b], sync: { schedule: '30 4 * * *', max_bandwidth: 200Mbps } }",
    );
    // One of the two directions lacks its storage.
    expect(result.issues?.filter(({ severity }) => severity === "error").map(({ path }) => path)).toEqual([
      "resource_pools[0].replication.sync",
    ]);
  });

  it.each([
    ["    fenced: true", "", /fenced.*only of a lost cluster/],
    ["    status: lost\n    returned: stop-old-copies", "", /returned.*nothing of a lost cluster/],
    ["", "    replication: { schedule: '02:00', store: vaults }", /no backup store is named `vaults`/],
    ["", "    replication: { schedule: '02:00', store: half }", /store `half` is not reached by `b`/],
    ["", "    replication: { schedule: '0 2 1 * *', store: vault }", /cannot be written as a calendar event/],
    ["", "    replication: { schedule: '02:00', store: [pbs-a, pbs-c] }", /no backup store is named `pbs-c`/],
    ["", "    replication: { schedule: '02:00', store: [pbs-a, half] }", /none of the stores `pbs-a`, `half` is reached by `b`/],
    ["", "    replication: { schedule: '02:00', store: [vault, pbs-b] }", /`b` reaches several of the stores \(vault, pbs-b\)/],
    [
      "",
      "    replication: { schedule: '02:00', store: [pbs-a, pbs-b], sync: { schedule: '04:00' } }",
      /^resource_pools\[0\]\.replication\.sync: the backup server of `b` cannot pull from that of `a`$/m,
    ],
    [
      "",
      "    replication: { schedule: '02:00', store: vault, sync: { schedule: '04:00' } }",
      /every member sees the backups of the others already/,
    ],
    ["", "    replication: { schedule: '02:00', store: vault, keep: {} }", /must name at least one of last, hourly/],
  ])("says what is wrong (%#)", async (cluster, pool, message) => {
    expect((await findings(cluster, pool)).texts.join("\n")).toMatch(message);
  });
});
