/** A pool whose members have a backup server each: each has the other's backups, and a lost one is restored from them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { createBackupServerClient } from "../../src/proxmox";
import { AWAY, grantBackupJobs, HOME, introduceBackupServers, POOL, sweptFederation } from "../chaos/sweep/federation";
import type { EngineReplay } from "../support/engine-replay";
import { type SimulatedFederation, startSimulatedFederation, withClient } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const TOKEN = "mover@pbs!move";
const web = vm("web-1", { cores: 1, memory: "1GiB", disks: [{ size: "1GiB", storageClass: "fast" }], networks: [{ network: "lan" }] });
const program = [pool(POOL), web];
const policy = { schedule: "02:00", store: ["vault-home", "vault-away"], rpo: "1d" };
const sync = { schedule: "30 4 * * *", max_bandwidth: "200Mbps" };

let federation: SimulatedFederation;
let stack: EngineReplay;
beforeAll(async () => {
  federation = await startSimulatedFederation({ text: await sweptFederation("two-pbs"), timeScale: 600 });
  stack = startStack(federation);
  grantBackupJobs(federation.simulator);
});
afterAll(() => federation?.stop());

const serverOf = (site: "home" | "away") => federation.simulator.world.state.backupServers![`pbs-vault-${site}`]!;
const ours = (site: "home" | "away") => Object.entries(serverOf(site).syncJobs).filter(([id]) => id.startsWith("fed-"));
const operations = async () => (await stack.up(program)).filter(({ operation }) => operation !== "same").map(({ operation }) => operation);

function edit(change: (document: ReturnType<typeof parseDocument>) => void): Promise<void> {
  return federation.edit((text) => {
    const document = parseDocument(text);
    change(document);
    return document.toString();
  });
}
const declare = (replication: object) => edit((document) => document.setIn(["resource_pools", 0, "replication"], replication));

describe("copies of a pool's backups", () => {
  it("are refused in the preview while a server does not know the other one", async () => {
    await declare({ ...policy, sync });
    await expect(stack.preview(program)).rejects.toThrow(
      /replication of pool production-pool has sync, but the backup server of vault-away knows no remote vault-home: create it there/,
    );
  });

  it("are pulled by a job of each server", async () => {
    introduceBackupServers(federation.simulator);
    serverOf("away").syncJobs.nightly = { id: "nightly", store: "main", remote: "vault-home", "remote-store": "main", schedule: "01:00" };
    await stack.up(program);
    expect(ours("home")).toHaveLength(1);
    expect(ours("away")).toHaveLength(1);
    const [[, job] = []] = ours("away");
    expect(job).toMatchObject({
      remote: "vault-home",
      schedule: "04:30",
      "group-filter": ["type:vm"],
      "remove-vanished": false,
      "rate-in": "25000000B",
      comment: expect.stringMatching(/^proxmox-federation [0-9a-f]{16} pool production-pool: worldstream-prod to databarn-dr$/),
    });
    expect(await operations()).toEqual([]);
  });

  it("are set right after a change by hand, and leave foreign jobs alone", async () => {
    ours("away")[0]![1].schedule = "never";
    await stack.refresh();
    expect(await operations()).toEqual(["update"]);
    expect(ours("away")[0]![1].schedule).toBe("04:30");
    expect(serverOf("away").syncJobs.nightly).toMatchObject({ schedule: "01:00" });
  });

  it("wait for a server that is down, and nothing else does", async () => {
    const setDown = async (down: boolean) => {
      serverOf("away").down = down;
      await federation.simulator.applyStatus();
    };
    await setDown(true);
    await declare({ ...policy, sync: { schedule: "05:00" } });
    expect(await operations()).toEqual(["update"]);
    expect(ours("home")[0]![1].schedule).toBe("05:00");
    await setDown(false);
    expect(await operations()).toEqual(["update"]);
    expect(ours("away")[0]![1].schedule).toBe("05:00");
    expect(await operations()).toEqual([]);
  });

  it("end with the declaration", async () => {
    await declare(policy);
    expect(await operations()).toEqual(["update"]);
    expect([...ours("home"), ...ours("away")]).toEqual([]);
    await declare({ ...policy, sync });
    expect(await operations()).toEqual(["update"]);
    expect(ours("away")).toHaveLength(1);
  });

  it("are what a lost site is restored from, and go with the pool", async () => {
    const { placement, vmid } = stack.get("web-1").outputs as { placement: { cluster: string; node: string }; vmid: number };
    expect(placement.cluster).toBe(HOME);
    const before = await contentsOn(HOME);
    await federation.admin("POST", `/guests/${HOME}/${vmid}/write`, { disk: "scsi0", blocks: 40, seed: "orders" });
    const written = (await contentsOn(HOME)).filter((contents) => !before.includes(contents));
    expect(written).toHaveLength(1);
    await withClient(federation, HOME, async (api) => {
      const upid = await api.backup.start(placement.node, { vmid, storage: "pbs", mode: "snapshot" });
      await api.tasks.wait(upid!, {});
    });
    await runJob(ours("away")[0]![0]);
    await edit((document) => {
      const index = (document.toJS() as { clusters: { id: string }[] }).clusters.findIndex(({ id }) => id === HOME);
      document.setIn(["clusters", index, "status"], "lost");
      document.setIn(["clusters", index, "fenced"], true);
    });
    federation.simulator.world.state.clusters[HOME]!.down = true;
    serverOf("home").down = true;
    await federation.simulator.applyStatus();
    await stack.up(program);
    expect((stack.get("web-1").outputs.placement as { cluster: string }).cluster).toBe(AWAY);
    expect(await contentsOn(AWAY)).toContain(written[0]);
    await stack.destroy();
    expect(Object.keys(serverOf("away").syncJobs)).toEqual(["nightly"]);
  });
});

/** Of the disks of its guests. */
async function contentsOn(cluster: string): Promise<string[]> {
  const disks = await federation.admin<
    { vmid: number; blockCount: number; sha256: string; volids: { cluster: string; volid: string }[] }[]
  >("GET", "/checksums");
  const own = disks.filter(({ volids }) => volids.some((volid) => volid.cluster === cluster && !volid.volid.includes(":backup/")));
  return own.filter(({ blockCount }) => blockCount > 0).map(({ sha256 }) => sha256);
}

async function runJob(id: string): Promise<void> {
  const { url, fingerprint, tokens } = federation.simulator.backupServers.find((server) => server.id === "pbs-vault-away")!;
  const client = createBackupServerClient({
    serverId: "vault-away",
    url,
    credentials: { kind: "token", tokenId: TOKEN, secret: tokens[TOKEN]! },
    tls: { fingerprint, verify: true },
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 30_000,
  });
  try {
    await client.tasks.wait(await client.syncJobs.run(id), {});
  } finally {
    await client.close();
  }
}
