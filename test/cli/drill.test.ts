import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { DRILL_TAG, drillIdentity } from "../../src/cli/drill/guest";
import type { DrillResult } from "../../src/cli/drill/report";
import { chooseNode } from "../../src/cli/drill/select";
import { EXIT } from "../../src/cli/exit-codes";
import type { ClusterRows } from "../../src/cli/snapshot";
import type { Cluster } from "../../src/config";
import { formatDescription, type Identity, identityTag, type Mark } from "../../src/migration";
import type { ProxmoxApi } from "../../src/proxmox";
import { type SimulatedFederation, startSimulatedFederation, withClient } from "../support/simulated-federation";
import { federate } from "./run";

const HOME = "worldstream-prod";
const OTHER = "databarn-dr";
const POOL = "production-pool";

let simulated: SimulatedFederation;
beforeAll(async () => {
  simulated = await startSimulatedFederation();
  const { clusters } = simulated.simulator.world.state;
  // A bridge without ports on every node of the target.
  for (const node of Object.values(clusters[OTHER]!.nodes)) node.bridges = [...node.bridges, "vmbr9"];
});
afterAll(() => simulated?.stop());

const guestsOf = (id: string) => simulated.simulator.world.state.clusters[id]!.guests;

/** A running VM of ours on the production cluster, as a Pulumi program would have made it. */
async function makeVm(vmid: number, name: string, { backup }: { backup: boolean }): Promise<void> {
  const identity: Identity = { federation: "acme", stack: "shop/prod", kind: "vm", name };
  const mark: Mark = { ...identity, generation: 1, phase: "settled" };
  await withClient(simulated, HOME, async (api) => {
    const wait = async (upid: string | undefined) => upid && api.tasks.wait(upid as Parameters<typeof api.tasks.wait>[0], {});
    if (!(await api.pools.find(POOL))) await api.pools.create(POOL, "");
    const net0 = "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20";
    await wait(
      await api.qemu.create("ams-1", {
        vmid,
        name,
        memory: 512,
        cores: 1,
        agent: 1,
        net0,
        scsi0: "nvme:1",
        pool: POOL,
        description: formatDescription("", mark),
      }),
    );
    await api.qemu.updateConfig("ams-1", vmid, { tags: identityTag(identity), onboot: 1 });
    await wait(await api.qemu.start("ams-1", vmid));
    if (backup) await wait(await api.backup.start("ams-1", { vmid, storage: "pbs", mode: "snapshot" }));
  });
}

async function drill(...options: string[]): Promise<{ code: number; err: string; drills: DrillResult[] }> {
  const { code, out, err } = await federate(["drill", ...options, "--format", "json"], simulated.env);
  return { code, err, drills: out === "" ? [] : (JSON.parse(out) as { drills: DrillResult[] }).drills };
}

describe("federate drill", () => {
  beforeAll(async () => {
    await makeVm(100, "web-1", { backup: true });
    await withClient(simulated, OTHER, (api) => api.pools.create(POOL, ""));
  });

  it("restores the newest backup to an isolated bridge on another cluster, measures, and leaves nothing behind", async () => {
    const { code, drills } = await drill("--vm", "web-1", "--bridge", "vmbr9");
    expect(drills).toMatchObject([
      {
        cluster: HOME,
        vmid: 100,
        target: expect.stringMatching(/^databarn-dr\//),
        alive: "agent",
        removed: true,
        backup: { store: "pbs" },
      },
    ]);
    expect(drills[0]).not.toHaveProperty("problem");
    expect(drills[0]!.rtoSeconds).toBeGreaterThanOrEqual(0);
    expect(code).toBe(EXIT.ok);
    expect(guestsOf(OTHER)).toEqual({});
    expect(guestsOf(HOME)["100"]!.running).toBe(true);
    const disks = await simulated.admin<{ vmid: number; volids: { cluster: string }[]; volname: string }[]>("GET", "/checksums");
    expect(disks.filter(({ volname, volids }) => /vm-\d+-disk/.test(volname) && volids.some(({ cluster }) => cluster === OTHER))).toEqual(
      [],
    );
  });

  it("with --keep leaves the copy on that bridge under a mark of its own, and the next drill removes it", async () => {
    const { drills } = await drill("--vm", "vm-100", "--bridge", "vmbr9", "--keep");
    const [copy] = Object.values(guestsOf(OTHER));
    expect(copy!.vmid).toBe(drills[0]!.copy);
    expect(copy!.config.net0).toMatch(/bridge=vmbr9/);
    expect(copy!.config.net0).not.toMatch(/tag=/);
    expect(copy!.config.onboot ?? "0").toBe("0");
    expect(copy!.config.tags!.split(";").sort()).toEqual(
      [DRILL_TAG, identityTag(drillIdentity("acme", { cluster: HOME, vmid: 100 }))].sort(),
    );
    const { code, err } = await drill("--vm", "100", "--bridge", "vmbr9");
    expect(err).toContain(`removing vm ${copy!.vmid} on ${OTHER}, left by an earlier drill`);
    expect(code).toBe(EXIT.ok);
    expect(guestsOf(OTHER)).toEqual({});
  });

  it("reports a VM that was never backed up, and drills the others", async () => {
    await makeVm(101, "web-2", { backup: false });
    const { code, drills } = await drill("--pool", POOL, "--bridge", "vmbr9");
    expect(drills.map(({ name, problem }) => [name, problem?.replace(/ on .*/, "")])).toEqual([
      ["web-1", undefined],
      ["web-2", "no backup with its mark is found"],
    ]);
    expect(code).toBe(EXIT.finding);
    expect(guestsOf(OTHER)).toEqual({});
  });

  it.each([
    "hostpci0: 0000:01:00",
    "args: -netdev bridge,id=out,br=vmbr0 -device virtio-net,netdev=out",
    "hookscript: local:snippets/announce.sh",
    "ivshmem: size=32,name=shared",
  ])("does not start a copy that would reach out of the drill, and removes it: %s", async (line) => {
    const world = simulated.simulator.world.state;
    const archives = Object.values(world.backends).flatMap(({ volumes }) => Object.values(volumes).filter(({ archive }) => archive));
    const [archive] = archives.map((volume) => volume.archive!);
    const config = archive!.config;
    archive!.config = `${config}${line}\n`;
    const { code, drills } = await drill("--vm", "web-1", "--bridge", "vmbr9");
    archive!.config = config;
    expect(drills[0]!.problem).toContain(`it would reach out of the drill by what it uses of its node (${line.split(":")[0]})`);
    expect(drills[0]!.alive).toBeUndefined();
    expect(code).toBe(EXIT.finding);
    expect(guestsOf(OTHER)).toEqual({});
  });

  it("keeps a record of each VM, which validate and status go by", async () => {
    await simulated.edit((text) => {
      const document = parseDocument(text);
      document.setIn(["failover"], { drill_log: "drills.jsonl" });
      document.setIn(["resource_pools", 0, "replication"], { schedule: "02:00", store: "pbs" });
      return document.toString();
    });
    const log = join(simulated.directory, "drills.jsonl");
    const notProven = async () => {
      const { out } = await federate(["validate"], simulated.env);
      return out.split("\n").filter((line) => /restore of pool/.test(line));
    };
    expect(await notProven()).toEqual([expect.stringMatching(/:\d+:\d+: warning: resource_pools\[0\]\.replication: no restore of pool/)]);

    await drill("--pool", POOL, "--bridge", "vmbr9");
    const text = await readFile(log, "utf8");
    expect(
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      {
        federation: "acme",
        pool: POOL,
        cluster: HOME,
        vmid: 100,
        name: "web-1",
        result: "restored",
        alive: "agent",
        backup: { store: "pbs" },
      },
      {
        federation: "acme",
        pool: POOL,
        cluster: HOME,
        vmid: 101,
        name: "web-2",
        result: "failed",
        problem: expect.stringMatching(/no backup/),
      },
    ]);
    for (const { token } of simulated.simulator.clusters) expect(text).not.toContain(token!.secret);
    expect((await stat(log)).mode & 0o777).toBe(0o600);
    expect(await notProven()).toEqual([]);
    const { out } = await federate(["status"], simulated.env);
    expect(out).toMatch(/restore of pool production-pool: tested \d+ s ago \(web-1 on databarn-dr\/\S+, alive after .*\); 1 failed since/);
  });

  it("says that it is not recorded where no log is kept", async () => {
    await simulated.edit((text) => {
      const document = parseDocument(text);
      document.deleteIn(["failover"]);
      return document.toString();
    });
    const { err } = await drill("--vm", "web-1", "--bridge", "vmbr9");
    expect(err).toContain("this drill is not recorded: set failover.drill_log");
  });

  it.each([
    [{ type: "bridge", bridge_ports: "eno1" }, /has ports \(eno1\)/],
    [{ type: "OVSBridge", ovs_ports: "bond0 mgmt" }, /has ports \(bond0 mgmt\)/],
    [{ type: "vnet" }, /network of SDN/],
  ])("refuses a bridge that leads out of its node: %j", async (row, message) => {
    // Only Linux bridges are simulated.
    const api = { listBridges: async () => ["vmbr9"], request: async () => [{ iface: "vmbr9", ...row }] } as unknown as ProxmoxApi;
    const rows = { nodes: [{ node: "rtm-1", status: "online" }] } as unknown as ClusterRows;
    const target = { id: OTHER, network: { networks: {}, bridges: [] } } as unknown as Cluster;
    await expect(chooseNode(api, rows, target, "vmbr9", {})).rejects.toThrow(message);
  });

  it.each([
    ["no bridge", ["--vm", "web-1"], /an isolated bridge is needed/],
    ["nothing to restore", ["--bridge", "vmbr9"], /say what to restore/],
    ["a bridge that VMs use", ["--vm", "web-1", "--bridge", "vmbr1"], /is one that VMs of databarn-dr use/],
    ["a bridge that does not exist", ["--vm", "web-1", "--bridge", "vmbr8"], /no online node of databarn-dr has a bridge vmbr8/],
    ["an unknown VM", ["--vm", "web-9", "--bridge", "vmbr9"], /no VM of this federation is named web-9/],
    ["an unknown cluster", ["--vm", "web-1", "--bridge", "vmbr9", "--cluster", "x"], /there is no cluster x/],
  ])("refuses %s before anything is made", async (_what, options, message) => {
    const { code, err } = await drill(...options);
    expect(err).toMatch(message);
    expect(code).toBe(EXIT.usage);
    expect(guestsOf(OTHER)).toEqual({});
  });
});
