/** Moves between two sites with a backup server each: what crosses the link, what an interruption leaves, and what is refused. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { setClusterStatus } from "../../src/cli/simulated-config";
import { type BackupServerApi, createBackupServerClient } from "../../src/proxmox";
import type { EngineReplay } from "../support/engine-replay";
import { OperationFailedError } from "../support/replay-model";
import { EXAMPLE_FEDERATION, type SimulatedFederation, startSimulatedFederation, withClient } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const PROD = "worldstream-prod";
const DR = "databarn-dr";
const TOKEN = "mover@pbs!move";
const store: Record<string, string> = { [PROD]: "vault-ams", [DR]: "vault-rtm" };
/** Of 4 MiB. */
const BLOCKS = 200;
const BLOCK_BYTES = 4 * 1024 ** 2;

const program = [
  pool("production-pool"),
  vm("web-1", { cores: 1, memory: "1GiB", disks: [{ size: "8GiB" }], networks: [{ network: "lan" }], agent: true }),
];

function storeOf(own: string, other: string) {
  const name = store[own]!;
  return {
    name,
    type: "pbs",
    storages: { [own]: { storage: "pbs", from: { [other]: "arrivals" } } },
    api: {
      url: `https://${name}.example`,
      token_id: TOKEN,
      token_secret_env: name.toUpperCase().replace("-", "_"),
      ca_file: "x.pem",
      datastore: "main",
    },
  };
}

async function text(): Promise<string> {
  const document = parseDocument(await readFile(EXAMPLE_FEDERATION, "utf8"));
  document.set("backup_stores", document.createNode([storeOf(PROD, DR), storeOf(DR, PROD)]));
  for (const cluster of [0, 1]) document.setIn(["clusters", cluster, "network", "cross_connects", 0, "bandwidth"], "100Mbps");
  for (const path of [3, 2]) document.deleteIn(["migration_policies", "paths", path]);
  return document.toString();
}

class Scene {
  constructor(
    readonly federation: SimulatedFederation,
    readonly stack: EngineReplay,
  ) {}

  private async asAdministrator(cluster: string, work: (server: BackupServerApi) => Promise<unknown>): Promise<void> {
    const { url, fingerprint, tokens } = this.server(cluster);
    const client = createBackupServerClient({
      serverId: cluster,
      url,
      credentials: { kind: "token", tokenId: TOKEN, secret: tokens[TOKEN]! },
      tls: { fingerprint, verify: true },
      connectTimeoutMs: 5_000,
      requestTimeoutMs: 30_000,
    });
    try {
      await work(client);
    } finally {
      await client.close();
    }
  }

  private server(cluster: string) {
    return this.federation.simulator.backupServers.find(({ id }) => id === `pbs-${store[cluster]}`)!;
  }

  /** As is done once: it may then pull from the other one. */
  introduce(to: string, from: string): Promise<void> {
    const password = this.server(from).tokens[TOKEN]!;
    return this.asAdministrator(to, ({ remotes }) =>
      remotes.create({ name: store[from]!, host: `pbs-${store[from]}`, authId: TOKEN, password }),
    );
  }

  stopSync(cluster: string): Promise<void> {
    const [running] = this.syncs(cluster).filter(({ endMs }) => endMs === undefined);
    return this.asAdministrator(cluster, async ({ tasks }) => {
      await tasks.stop(running!.upid);
      await expect(tasks.wait(running!.upid)).rejects.toThrow(/aborted/);
    });
  }

  get world() {
    return this.federation.simulator.world;
  }

  get vmid(): number {
    return this.stack.get("web-1").outputs.vmid as number;
  }

  get cluster(): string {
    return (this.stack.get("web-1").outputs.placement as { cluster: string }).cluster;
  }

  drain(cluster: string | undefined): Promise<void> {
    return this.federation.edit((yaml) =>
      [PROD, DR].reduce((edited, id) => setClusterStatus(edited, id, id === cluster ? "draining" : "active"), yaml),
    );
  }

  setWarm(warm: boolean): Promise<void> {
    return this.federation.edit((yaml) => {
      const document = parseDocument(yaml);
      for (const path of [0, 1]) document.setIn(["migration_policies", "paths", path, "warm"], warm);
      return document.toString();
    });
  }

  write(first: number, count: number, seed: string): Promise<unknown> {
    const blocks = Array.from({ length: count }, (_, index) => first + index);
    return this.federation.admin("POST", `/guests/${this.cluster}/${this.vmid}/write`, { disk: "scsi0", blocks, seed });
  }

  /** Different contents of its disk, archives included. */
  async data(): Promise<string[]> {
    const disks = await this.federation.admin<{ vmid: number; sha256: string; blockCount: number }[]>("GET", "/checksums");
    return [...new Set(disks.filter(({ vmid, blockCount }) => vmid === this.vmid && blockCount > 0).map(({ sha256 }) => sha256))];
  }

  syncs(cluster: string) {
    return Object.values(this.world.state.backupServers![`pbs-${store[cluster]}`]!.tasks).filter(({ type }) => type === "syncjob");
  }

  sentBlocks(cluster: string, since: number): number[] {
    return this.syncs(cluster)
      .slice(since)
      .map(({ traffic }) => (traffic?.networkBytes ?? 0) / BLOCK_BYTES);
  }

  running(): string[] {
    return [PROD, DR].filter((id) =>
      Object.values(this.world.state.clusters[id]!.guests).some(
        ({ startedAtMs, config }) => startedAtMs !== undefined && config.name === "web-1",
      ),
    );
  }

  /** Archives and sync jobs at either server. */
  leftovers(): string[] {
    return [PROD, DR].flatMap((id) => [
      ...Object.keys(this.world.state.backends[`store:${store[id]}`]!.volumes),
      ...Object.keys(this.world.state.backupServers![`pbs-${store[id]}`]!.syncJobs),
    ]);
  }

  notes(): (string | undefined)[] {
    return [PROD, DR].flatMap((id) => Object.values(this.world.state.backends[`store:${store[id]}`]!.volumes).map(({ notes }) => notes));
  }

  /** Runs the program and kills its provider while the target's server pulls. */
  async killDuringSync(target: string): Promise<void> {
    const known = this.syncs(target).length;
    const killed = this.stack.up(program).catch((error: unknown) => error);
    const pulls = () =>
      this.syncs(target)
        .slice(known)
        .some(({ endMs }) => endMs === undefined);
    await expect.poll(pulls, { timeout: 120_000, interval: 10 }).toBe(true);
    this.stack.kill();
    expect(await killed).toBeInstanceOf(OperationFailedError);
  }
}

describe("a VM between two sites with a backup server each", () => {
  let scene: Scene;
  beforeAll(async () => {
    const federation = await startSimulatedFederation({ text: await text(), timeScale: 100 });
    scene = new Scene(federation, startStack(federation));
    await scene.stack.up(program);
    await scene.write(0, BLOCKS, "installed");
  });
  afterAll(async () => {
    await scene?.federation.stop();
  });

  const migrationOf = async () => {
    const step = (await scene.stack.preview(program)).find(({ name, operation }) => name === "web-1" && operation === "replace");
    return JSON.stringify(step);
  };

  it("is refused in the preview while the target's server does not know the source's", async () => {
    await scene.drain(PROD);
    await expect(scene.stack.preview(program)).rejects.toThrow(/backup server of vault-rtm knows no remote vault-ams: create it there/);
    await scene.introduce(DR, PROD);
    await scene.introduce(PROD, DR);
    expect(await migrationOf()).toContain("vault-ams → vault-rtm");
  });

  it("goes ahead while it runs, and what changes meanwhile is all that travels while it is down", async () => {
    const before = await scene.data();
    const moving = scene.stack.up(program);
    await expect.poll(() => scene.syncs(DR).length, { timeout: 120_000, interval: 10 }).toBe(1);
    await scene.write(0, 3, "meanwhile");
    await moving;
    expect(scene.cluster).toBe(DR);
    expect(scene.running()).toEqual([DR]);
    expect(scene.sentBlocks(DR, 0)).toEqual([BLOCKS, 3]);
    expect(await scene.data()).not.toEqual(before);
    expect(scene.leftovers()).toEqual([]);
  });

  it("goes back cold by one sync, with the bytes it had", async () => {
    await scene.setWarm(false);
    const before = await scene.data();
    await scene.drain(DR);
    await scene.stack.up(program);
    expect(scene.cluster).toBe(PROD);
    expect(scene.syncs(PROD)).toHaveLength(1);
    expect(await scene.data()).toEqual(before);
    expect(scene.leftovers()).toEqual([]);
  });

  it.each([
    ["cold", false, 1],
    ["warm", true, 2],
  ])("whose provider is killed during the sync of a %s move goes on with the sync that runs", async (_how, warm, runs) => {
    await scene.setWarm(warm);
    const [from, to] = scene.cluster === PROD ? [PROD, DR] : [DR, PROD];
    await scene.write(0, BLOCKS, `before ${warm}`);
    const [before, known] = [await scene.data(), scene.syncs(to).length];
    await scene.drain(from);
    await scene.killDuringSync(to);
    await scene.stack.up(program);
    expect(scene.cluster).toBe(to);
    expect(
      scene
        .syncs(to)
        .slice(known)
        .map(({ exitStatus }) => exitStatus),
    ).toEqual(Array(runs).fill("OK"));
    expect(await scene.data()).toEqual(before);
    expect(scene.running()).toEqual([to]);
    expect(scene.leftovers()).toEqual([]);
  });

  it("whose move is given up during the sync runs on where it was, and nothing is left at either server", async () => {
    await scene.setWarm(false);
    const [from, to] = scene.cluster === PROD ? [PROD, DR] : [DR, PROD];
    await scene.write(0, BLOCKS, "given up");
    const [before, known] = [await scene.data(), scene.syncs(to).length];
    await scene.drain(from);
    await scene.killDuringSync(to);
    await scene.drain(undefined);
    await scene.stack.up(program);
    expect(scene.cluster).toBe(from);
    expect(scene.running()).toEqual([from]);
    expect(await scene.data()).toEqual(before);
    expect(scene.leftovers()).toEqual([]);
    expect(scene.syncs(to).slice(known)).toHaveLength(1);
  });

  it("is rolled back when the sync fails", async () => {
    const [from, to] = scene.cluster === PROD ? [PROD, DR] : [DR, PROD];
    await scene.drain(from);
    const remote = scene.world.state.backupServers![`pbs-${store[to]}`]!.remotes[store[from]!]!;
    const { password } = remote;
    remote.password = "wrong";
    await expect(scene.stack.up(program)).rejects.toThrow(/authentication failed/);
    remote.password = password;
    expect(scene.running()).toEqual([from]);
    expect(scene.leftovers()).toEqual([]);
  });

  it("syncs again what was stopped, past somebody else's newer backup, which stays", async () => {
    const [from, to] = scene.cluster === PROD ? [PROD, DR] : [DR, PROD];
    const { vmid } = scene;
    await scene.write(0, BLOCKS, "stopped");
    const [before, known] = [await scene.data(), scene.syncs(to).length];
    await scene.drain(from);
    await scene.killDuringSync(to);
    await scene.stopSync(to);
    await withClient(scene.federation, from, async (api) => {
      const { node } = scene.world.state.clusters[from]!.guests[String(vmid)]!;
      await api.tasks.wait((await api.backup.start(node, { vmid, storage: "pbs", mode: "stop", "notes-template": "nightly" }))!);
    });
    await scene.stack.up(program);
    expect(scene.cluster).toBe(to);
    expect(
      scene
        .syncs(to)
        .slice(known)
        .map(({ exitStatus }) => exitStatus),
    ).toEqual(["sync aborted", "OK"]);
    expect(await scene.data()).toEqual(before);
    expect(scene.leftovers().map((key) => key.includes(`vm/${vmid}/`))).toEqual([true, true]);
    expect(scene.notes()).toEqual(["nightly", "nightly"]);
  });
});
