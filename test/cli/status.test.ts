import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit-codes";
import type { StatusReport } from "../../src/cli/status/report";
import { formatDescription, type Mark, MOVING_TAG } from "../../src/migration";
import { createProxmoxClient, type ProxmoxApi } from "../../src/proxmox";
import { type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

let simulated: SimulatedFederation;
beforeAll(async () => {
  simulated = await startSimulatedFederation();
  // Of hetzner-edge, the last one: it is the cluster that will hang.
  await simulated.edit((text) =>
    text.replace(/fingerprint:(?![\s\S]*fingerprint:)/, "connection_timeout: 2s\n      request_timeout: 2s\n      fingerprint:"),
  );
});
afterAll(() => simulated.stop());

function client(id: string): ProxmoxApi {
  const cluster = simulated.simulator.clusters.find((candidate) => candidate.id === id)!;
  return createProxmoxClient({
    clusterId: id,
    endpoints: cluster.endpoints.map(({ url }) => url),
    credentials: { kind: "token", tokenId: cluster.token!.id, secret: cluster.token!.secret },
    tls: { fingerprint: cluster.fingerprint, verify: true },
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 30_000,
  });
}

async function withClient<T>(id: string, work: (api: ProxmoxApi) => Promise<T>): Promise<T> {
  const api = client(id);
  try {
    return await work(api);
  } finally {
    await api.close();
  }
}

/** The federation file changed while `work` runs. */
async function withFile<T>(change: (text: string) => string, work: () => Promise<T>): Promise<T> {
  let before = "";
  await simulated.edit((text) => {
    before = text;
    return change(text);
  });
  try {
    return await work();
  } finally {
    await simulated.edit(() => before);
  }
}

async function report(
  environment = simulated.env,
): Promise<{ code: number; err: string; clusters: Record<string, StatusReport["clusters"][number]> }> {
  const { code, out, err } = await federate(["status", "--format", "json"], environment);
  const { clusters } = JSON.parse(out) as StatusReport;
  return { code, err, clusters: Object.fromEntries(clusters.map((cluster) => [cluster.id, cluster])) };
}

describe("status", () => {
  it("shows every cluster, live", async () => {
    const { code, err, clusters } = await report();
    expect({ code, err }).toEqual({ code: EXIT.ok, err: "" });
    expect(Object.keys(clusters)).toEqual(["worldstream-prod", "databarn-dr", "hetzner-edge"]);
    const first = clusters["worldstream-prod"]!;
    expect(first).toMatchObject({ health: "ok", problems: [], tier: "primary", location: "Amsterdam, NL" });
    expect(first.live).toMatchObject({
      version: "9.2.11",
      nodes: { total: 3, online: 3, offline: [] },
      guests: { total: 0, running: 0, templates: 0 },
      tasks: [],
      moves: [],
      gaps: [],
    });
    // 3 nodes of 32 cores: 4 : 1 less 10 % of the physical ones.
    expect(first.live?.capacity.cpu).toEqual({
      cores: 96,
      grantableCores: 374.4,
      allocatedCores: 0,
      availableCores: 374.4,
      pressurePermille: 0,
    });
    expect(first.live?.capacity.memory.totalBytes).toBe(3 * 256 * 1024 ** 3);
    expect(first.live?.capacity.storages.filter(({ storage }) => storage === "nvme").map(({ node }) => node)).toEqual([
      "ams-1",
      "ams-2",
      "ams-3",
    ]);
  });

  it("shows it in words and in YAML", async () => {
    const { out } = await federate(["status"], simulated.env);
    expect(out).toContain(
      "federation acme, 3 clusters\n\n● worldstream-prod  primary, worldstream, Amsterdam, NL\n  Proxmox VE 9.2.11 · quorum not visible",
    );
    expect(out).toMatch(/^ {4}cores +0 of 374 handed out +0 %$/m);
    expect(out).not.toContain("\u001b[");
    const yaml = await federate(["status", "--format", "yaml"], simulated.env);
    expect(yaml.out).toContain("federation: acme\nclusters:\n  - id: worldstream-prod\n");
  });

  it("shows running tasks and both ends of a move that was interrupted", async () => {
    const mark: Mark = {
      federation: "acme",
      stack: "shop/prod",
      kind: "vm",
      name: "web-1",
      generation: 1,
      phase: "moving",
      move: {
        id: "m1",
        target: { cluster: "hetzner-edge", node: "fsn-1", vmid: 101 },
        storage: "pbs",
        wasRunning: true,
        onBoot: false,
        wasFenced: false,
        step: "restoring",
        startedAt: "2026-01-02T03:04:05Z",
      },
    };
    const upid = await withClient("databarn-dr", async (api) => {
      await api.tasks.wait(
        await api.qemu.create("rtm-1", {
          vmid: 100,
          name: "web-1",
          memory: 512,
          description: formatDescription("", mark),
          pool: undefined,
        }),
      );
      await api.qemu.updateConfig("rtm-1", 100, { tags: MOVING_TAG });
      await simulated.admin("POST", "/faults", {
        cluster: "databarn-dr",
        path: "/nodes/{node}/qemu/{vmid}/status/start",
        action: { kind: "task-hangs" },
      });
      return api.qemu.start("rtm-1", 100);
    });
    const { code, clusters } = await report();
    expect(code).toBe(EXIT.ok);
    const live = clusters["databarn-dr"]!.live!;
    expect(live.tasks).toMatchObject([{ node: "rtm-1", type: "qmstart", id: "100", user: "iac@pve!federation" }]);
    expect(live.moves).toEqual([
      {
        vmid: 100,
        node: "rtm-1",
        resource: "VM web-1 of stack shop/prod",
        phase: "moving",
        step: "restoring",
        startedAt: "2026-01-02T03:04:05Z",
        peer: { cluster: "hetzner-edge", vmid: 101 },
      },
    ]);
    const { out } = await federate(["status"], simulated.env);
    expect(out).toContain(
      "VM web-1 of stack shop/prod: vm 100 on rtm-1, to hetzner-edge vm 101, step restoring, since 2026-01-02T03:04:05Z",
    );
    expect(out).toMatch(/running tasks: qmstart 100 on rtm-1 \(/);
    await withClient("databarn-dr", (api) => api.tasks.stop(upid));
    await simulated.admin("DELETE", "/faults");
  });

  it("says which node is offline", async () => {
    await simulated.admin("POST", "/nodes/worldstream-prod/ams-3", { status: "offline", powerOff: true });
    const { code, clusters } = await report();
    expect(code).toBe(EXIT.finding);
    expect(clusters["worldstream-prod"]).toMatchObject({ health: "degraded", problems: ["node ams-3 is offline"] });
    expect(clusters["worldstream-prod"]!.live).toMatchObject({ nodes: { total: 3, online: 2, offline: ["ams-3"] } });
    await simulated.admin("POST", "/nodes/worldstream-prod/ams-3", { status: "online" });
  });

  describe("with one cluster in trouble", () => {
    const others = { "worldstream-prod": { health: "ok" }, "databarn-dr": { health: "ok" } };

    it("shows the others when it is down", async () => {
      await simulated.admin("POST", "/clusters/hetzner-edge", { status: "down" });
      const { code, clusters } = await report();
      await simulated.admin("POST", "/clusters/hetzner-edge", { status: "up" });
      expect(code).toBe(EXIT.unreachable);
      expect(clusters).toMatchObject({ ...others, "hetzner-edge": { health: "unreachable" } });
      expect(clusters["hetzner-edge"]!.problems[0]).toContain("ECONNREFUSED");
    });

    it("does not wait longer than the timeouts when it hangs", async () => {
      await simulated.admin("POST", "/nodes/hetzner-edge/fsn-1", { status: "hanging" });
      const { code, clusters } = await report();
      await simulated.admin("POST", "/nodes/hetzner-edge/fsn-1", { status: "online" });
      expect(code).toBe(EXIT.unreachable);
      expect(clusters).toMatchObject({ ...others, "hetzner-edge": { health: "unreachable" } });
    });

    it("says so when a web page answers", async () => {
      await simulated.admin("POST", "/faults", { cluster: "hetzner-edge", times: 0, action: { kind: "html" } });
      const { code, clusters } = await report();
      await simulated.admin("DELETE", "/faults");
      expect(code).toBe(EXIT.unreachable);
      expect(clusters).toMatchObject({ ...others, "hetzner-edge": { health: "unreachable" } });
      expect(clusters["hetzner-edge"]!.problems[0]).toContain("HTML");
    });

    it("says so when its certificate is another one", async () => {
      const fingerprint = simulated.simulator.clusters.find(({ id }) => id === "hetzner-edge")!.fingerprint;
      const { code, clusters } = await withFile(
        (text) => text.replace(fingerprint, Array(32).fill("AA").join(":")),
        () => report(),
      );
      expect(code).toBe(EXIT.unreachable);
      expect(clusters["hetzner-edge"]!.problems[0]).toContain("certificate");
      expect(clusters).toMatchObject(others);
    });

    it.each([
      ["missing", undefined, "environment variable HETZNER_TOKEN is not set"],
      ["wrong", "00000000-0000-0000-0000-000000000000", "refused"],
    ])("says so when its token's secret is %s", async (_, secret, message) => {
      const { code, err, clusters } = await report({ ...simulated.env, HETZNER_TOKEN: secret as string });
      expect({ code, err }).toEqual({ code: EXIT.refused, err: "" });
      expect(clusters).toMatchObject({ ...others, "hetzner-edge": { health: "refused" } });
      expect(clusters["hetzner-edge"]!.problems[0]).toContain(message);
      expect(JSON.stringify(clusters)).not.toContain("00000000-0000");
    });

    it("says so when its token may see nothing", async () => {
      const { access } = simulated.simulator.world.state.clusters["hetzner-edge"]!;
      const granted = access.acl;
      access.acl = [];
      const { code, clusters } = await report();
      access.acl = granted;
      expect(code).toBe(EXIT.refused);
      expect(clusters["hetzner-edge"]).toMatchObject({ health: "refused", problems: [expect.stringContaining("lack VM.Audit on /vms")] });
    });

    it("does not contact one that is declared lost", async () => {
      const { code, clusters } = await withFile(
        (text) => text.replace("    tier: edge", "    tier: edge\n    status: lost"),
        () => report(),
      );
      expect(code).toBe(EXIT.ok);
      expect(clusters["hetzner-edge"]).toMatchObject({ health: "not-contacted", problems: ["it is declared lost"] });
    });
  });
});
