import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-codes";
import type { ValidateReport } from "../../src/cli/validate/report";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

let simulated: SimulatedFederation;
let original = "";
beforeAll(async () => {
  simulated = await startSimulatedFederation();
  // Of hetzner-edge, the last one: it is the cluster that will hang.
  await simulated.edit((text) =>
    text.replace(/fingerprint:(?![\s\S]*fingerprint:)/, "connection_timeout: 2s\n      request_timeout: 2s\n      fingerprint:"),
  );
  await simulated.edit((text) => {
    original = text;
    return text;
  });
});
afterAll(() => simulated.stop());
afterEach(() => simulated.edit(() => original));

async function validate(...options: string[]): Promise<ValidateReport & { code: number }> {
  const { code, out } = await federate(["validate", "--format", "json", ...options], simulated.env);
  return { code, ...(JSON.parse(out) as ValidateReport) };
}

async function replace(from: string, to: string): Promise<void> {
  await simulated.edit((text) => {
    if (!text.includes(from)) throw new Error(`the file has no ${from}`);
    return text.replace(from, to);
  });
}

/**
 * `severity cluster: message` of what shows on live clusters, less the one thing every simulated store lacks, and less
 * distances, which on a busy machine are those between its processes. Nor for what a test of its own is about: the limited
 * role that makes backups ignore max_bandwidth.
 */
function liveFindings({ findings }: ValidateReport): string[] {
  return findings.flatMap(({ severity, cluster, message }) =>
    cluster === undefined || /no client key| ms apart|Sys\.Modify/.test(message) ? [] : [`${severity} ${cluster}: ${message}`],
  );
}

describe("validate", () => {
  it("has warnings, no errors, for the example", async () => {
    const { code, errors, warnings, findings, clusters } = await validate();
    expect({ code, errors, warnings, clusters }).toEqual({ code: EXIT.ok, errors: 0, warnings: findings.length, clusters: undefined });
    expect(findings.map(({ path }) => path)).toContain("migration_policies.paths[0]");
  });

  it("shows findings as compilers do", async () => {
    const { code, out, err } = await federate(["validate", "--config", simulated.file]);
    expect(out).toMatch(
      /federation\.yaml:\d+:\d+: warning: migration_policies\.paths\[0\]: moves worldstream-prod → databarn-dr may start at any time\. Set/,
    );
    expect(out).toMatch(/federation\.yaml: 0 errors, 4 warnings\n$/);
    expect({ code, err }).toEqual({ code: EXIT.ok, err: "" });
  });

  it("lists every error of a file with line and column", async () => {
    const file = join(simulated.directory, "wrong.yaml");
    await writeFile(file, "name: acme\nclusters:\n  - id: a\n    tier: primry\n  - id: a\n");
    const { code, out } = await federate(["validate", "-c", file, "--check-connectivity", "--format", "json"]);
    const report = JSON.parse(out) as ValidateReport;
    expect(code).toBe(EXIT.finding);
    expect(report.errors).toBe(report.findings.filter(({ severity }) => severity === "error").length);
    expect(report.findings).toContainEqual(expect.objectContaining({ severity: "error", line: 5, path: "clusters[1].id" }));
    expect(report.findings).toContainEqual(expect.objectContaining({ severity: "error", line: 4, column: 11, path: "clusters[0].tier" }));
    expect(report.clusters).toBeUndefined();
  });

  it.each<[string, string]>([
    [
      "a cluster",
      "clusters:\n  - id: unique-identifier\n    tier: primary|secondary|edge\n    provider: provider-name\n    location: geographic-location\n",
    ],
    [
      "a pool",
      "resource_pools:\n  - name: production-pool\n    clusters: [cluster-id-1, cluster-id-2]\n    placement_policy:\n      strategy: balanced|performance|cost|geographic\n",
    ],
    [
      "a policy",
      "placement_policy:\n  strategy: cost\n  rules:\n    - type: location\n      target: cluster\n      operator: must_not\n      value: production-cluster\n",
    ],
    [
      "a path",
      "migration_policies:\n  paths:\n    - source_cluster: worldstream-prod\n      target_cluster: databarn-dr\n      method: backup-restore\n",
    ],
  ])("has only warnings for %s as the guide shows it", async (_, text) => {
    const file = join(simulated.directory, "fragment.yaml");
    await writeFile(file, text);
    const { code, out } = await federate(["validate", "-c", file, "--check-connectivity", "--format", "json"]);
    const report = JSON.parse(out) as ValidateReport;
    expect({ code, errors: report.errors }).toEqual({ code: EXIT.ok, errors: 0 });
    expect(report.warnings).toBeGreaterThan(0);
    for (const { outcome } of report.clusters!) expect(outcome).toBe("not-contacted");
  });

  it("says that a file is missing", async () => {
    const { code, out, err } = await federate(["validate", "-c", join(simulated.directory, "absent.yaml")]);
    expect(out).toContain("absent.yaml:1:1: error: the file does not exist. Create it, or name another one.");
    expect({ code, err }).toEqual({ code: EXIT.finding, err: "" });
  });
});

describe("validate --check-connectivity", () => {
  it("finds nothing wrong with clusters that are as declared", async () => {
    const report = await validate("--check-connectivity");
    expect(liveFindings(report)).toEqual([]);
    expect(report.code).toBe(EXIT.ok);
    expect(report.clusters).toMatchObject([
      { id: "worldstream-prod", outcome: "checked", version: "9.2.11" },
      { id: "databarn-dr", outcome: "checked", version: "8.4.21" },
      { id: "hetzner-edge", outcome: "checked", version: "9.2.11" },
    ]);
    const [endpoint] = report.clusters![2]!.endpoints;
    expect(endpoint).toEqual({
      url: simulated.simulator.clusters[2]!.endpoints[0]!.url,
      roundTripMs: expect.any(Number),
      fingerprint: simulated.simulator.clusters[2]!.fingerprint,
      clockSkewMs: expect.any(Number),
    });
  });

  it("tells where a backup would not keep to max_bandwidth", async () => {
    const { findings } = await validate("--check-connectivity");
    expect(findings.find(({ message }) => message.includes("Sys.Modify"))).toMatchObject({
      severity: "warning",
      cluster: "worldstream-prod",
      suggestion: expect.stringContaining("keep backups to max_bandwidth"),
    });
  });

  it("shows what is known of the way between clusters", async () => {
    const report = await validate("--check-connectivity");
    expect(report.peers).toContainEqual({
      source: "worldstream-prod",
      target: "databarn-dr",
      declaredLatencyMs: 4,
      leastLatencyMs: expect.any(Number),
      mostLatencyMs: expect.any(Number),
    });
    const { out } = await federate(["validate", "--check-connectivity"], simulated.env);
    expect(out).toMatch(
      /^worldstream-prod → databarn-dr: latency [\d.]+ to [\d.]+ ms by the round trips from here · declared 4 ms · throughput not measured: the API cannot, and no move is on record$/m,
    );
  });

  it("shows it in words", async () => {
    const { out } = await federate(["validate", "--check-connectivity"], simulated.env);
    expect(out).toMatch(/^cluster hetzner-edge: warning: archives in storage pbs are not encrypted/m);
    expect(out).toMatch(/^cluster hetzner-edge: checked: Proxmox VE 9\.2\.11 · https:\/\/127\.0\.0\.1:\d+ [\d.]+ ms$/m);
  });

  it("names each privilege that is missing, where, and what for", async () => {
    const { roles, acl } = simulated.simulator.world.state.clusters["databarn-dr"]!.access;
    const guests = roles.FederationGuests!;
    roles.FederationGuests = guests.filter((privilege) => privilege !== "VM.Backup" && privilege !== "VM.Monitor");
    const storage = acl.find(({ path }) => path === "/storage/ssd")!;
    acl.splice(acl.indexOf(storage), 1);
    const report = await validate("--check-connectivity");
    roles.FederationGuests = guests;
    acl.push(storage);
    expect(report.code).toBe(EXIT.finding);
    expect(liveFindings(report)).toEqual([
      "error databarn-dr: the credentials lack VM.Backup on /vms or /pool/production-pool",
      "error databarn-dr: the credentials lack VM.Backup on /vms or /pool/development-pool",
      "error databarn-dr: the credentials lack Datastore.AllocateSpace, Datastore.Audit on /storage/ssd",
      "warning databarn-dr: the credentials lack VM.Monitor on /vms or /pool/production-pool",
      "warning databarn-dr: the credentials lack VM.Monitor on /vms or /pool/development-pool",
      "error databarn-dr: there is no storage ssd for disks, or it is hidden from these credentials",
    ]);
    expect(report.findings.find(({ message }) => message.includes("VM.Backup"))?.suggestion).toContain("back up, read and remove archives");
  });

  it.each<[string, string, string, string[]]>([
    [
      "a storage",
      "primary_storage: local-zfs",
      "primary_storage: tank",
      [
        "the credentials lack Datastore.AllocateSpace, Datastore.Audit on /storage/tank",
        "there is no storage tank for disks, or it is hidden from these credentials",
      ],
    ],
    [
      "a bridge",
      "lan: { bridge: vmbr0 }",
      "lan: { bridge: vmbr7 }",
      ["there is no bridge vmbr7 on fsn-1, or these credentials may not use it"],
    ],
    ["a node", "name: fsn-1", "name: fsn-2", ["the cluster has no node fsn-2"]],
  ])("finds that %s is not there", async (_, from, to, messages) => {
    await replace(from, to);
    const report = await validate("--check-connectivity");
    expect(liveFindings(report)).toEqual(messages.map((message) => `error hetzner-edge: ${message}`));
    expect(report.code).toBe(EXIT.finding);
  });

  it("finds that an image is not there", async () => {
    await replace(
      "debian-12: local:import/debian-12.qcow2",
      "debian-12: local:import/debian-12.qcow2\n      debian-13: local:import/debian-13.qcow2",
    );
    expect(liveFindings(await validate("--check-connectivity"))).toEqual([
      "error worldstream-prod: image debian-13 (local:import/debian-13.qcow2) is not on ams-1, ams-2, ams-3",
      "error databarn-dr: image debian-13 (local:import/debian-13.qcow2) is not on rtm-1, rtm-2",
      "error hetzner-edge: image debian-13 (local:import/debian-13.qcow2) is not on fsn-1",
    ]);
  });

  it("finds that a reader looks for archives in the wrong place", async () => {
    await replace("hetzner-edge: pbs-hetzner", "hetzner-edge: pbs-databarn");
    const report = await validate("--check-connectivity");
    expect(liveFindings(report)).toEqual([
      "error worldstream-prod: storage pbs-databarn is not where hetzner-edge writes its archives (pbs there): its namespace is databarn-dr, there it is hetzner-edge",
    ]);
  });

  describe("with one cluster in trouble", () => {
    it("checks the others when it is down", async () => {
      await simulated.admin("POST", "/clusters/hetzner-edge", { status: "down" });
      const report = await validate("--check-connectivity");
      await simulated.admin("POST", "/clusters/hetzner-edge", { status: "up" });
      expect(report.code).toBe(EXIT.unreachable);
      expect(report.clusters?.map(({ outcome }) => outcome)).toEqual(["checked", "checked", "unreachable"]);
      expect(liveFindings(report)).toEqual([expect.stringMatching(/^error hetzner-edge: https:.* cannot be reached: .*ECONNREFUSED/)]);
    });

    it("does not wait longer than the timeouts when it hangs", async () => {
      await simulated.admin("POST", "/nodes/hetzner-edge/fsn-1", { status: "hanging" });
      const report = await validate("--check-connectivity");
      await simulated.admin("POST", "/nodes/hetzner-edge/fsn-1", { status: "online" });
      expect(report.code).toBe(EXIT.unreachable);
      expect(liveFindings(report)).toEqual([
        expect.stringMatching(/^error hetzner-edge: https:.* cannot be reached: no answer within 2 s/),
      ]);
    });

    it("says so when a web page answers", async () => {
      await simulated.admin("POST", "/faults", { cluster: "hetzner-edge", times: 0, action: { kind: "html" } });
      const report = await validate("--check-connectivity");
      await simulated.admin("DELETE", "/faults");
      expect(report.code).toBe(EXIT.unreachable);
      expect(liveFindings(report)).toEqual([expect.stringMatching(/^error hetzner-edge: .*HTML/)]);
    });

    it("shows both fingerprints when its certificate is another one", async () => {
      const { fingerprint } = simulated.simulator.clusters[2]!;
      await replace(fingerprint, Array(32).fill("AA").join(":"));
      const report = await validate("--check-connectivity");
      expect(report.code).toBe(EXIT.unreachable);
      expect(liveFindings(report)).toEqual([expect.stringContaining("shows another certificate than the pinned one")]);
      expect(report.findings.at(-1)?.suggestion).toContain(fingerprint);
    });

    it("says so when its token is refused", async () => {
      const { code, out } = await federate(["validate", "--check-connectivity", "--format", "json"], {
        ...simulated.env,
        HETZNER_TOKEN: "0000-1111",
      });
      const report = JSON.parse(out) as ValidateReport;
      expect(code).toBe(EXIT.refused);
      expect(report.clusters?.[2]).toMatchObject({ outcome: "refused" });
      expect(liveFindings(report)).toEqual([expect.stringMatching(/^error hetzner-edge: .*refused/)]);
      expect(out).not.toContain("0000-1111");
    });
  });
});
