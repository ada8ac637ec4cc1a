/** A live restore that breaks off midway, by the real provider against the simulator: what is kept, what is lost, and that nobody runs twice. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { EngineReplay } from "../support/engine-replay";
import { OperationFailedError } from "../support/replay-model";
import { EXAMPLE_FEDERATION, type SimulatedFederation, startSimulatedFederation, withClient } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const PROD = "worldstream-prod";
const DR = "databarn-dr";
/** Of 4 MiB: over 100 Mbps the restore takes minutes of the simulator's time. */
const BLOCKS = 250;

const program = [
  pool("production-pool"),
  vm("web-1", { cores: 1, memory: "1GiB", disks: [{ size: "8GiB" }], networks: [{ network: "lan" }], agent: true }),
];

/** One store with an API that both clusters reach. */
async function text(): Promise<string> {
  const document = parseDocument(await readFile(EXAMPLE_FEDERATION, "utf8"));
  document.setIn(
    ["backup_stores", 0, "api"],
    document.createNode({
      url: "https://pbs.example",
      token_id: "mover@pbs!move",
      token_secret_env: "VAULT",
      ca_file: "x.pem",
      datastore: "main",
    }),
  );
  for (const cluster of [0, 1]) document.setIn(["clusters", cluster, "network", "cross_connects", 0, "bandwidth"], "100Mbps");
  for (const path of [0, 1]) document.setIn(["migration_policies", "paths", path, "live_restore"], true);
  return document.toString();
}

describe("a live restore", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;
  /** Where web-1 is, and where it is to go. */
  let from: string;
  let to: string;

  beforeAll(async () => {
    federation = await startSimulatedFederation({ text: await text(), timeScale: 60 });
    stack = startStack(federation);
    await stack.up(program);
    await write(PROD, 0, BLOCKS, "installed");
  });
  afterAll(async () => {
    await federation?.stop();
  });

  beforeEach(async () => {
    from = (stack.get("web-1").outputs.placement as { cluster: string }).cluster;
    to = from === PROD ? DR : PROD;
    await drain(from);
  });

  const state = (cluster: string) => federation.simulator.world.state.clusters[cluster]!;
  const vmid = () => stack.get("web-1").outputs.vmid as number;
  const web = (cluster: string) => Object.values(state(cluster).guests).find(({ config }) => config.name === "web-1");
  const running = () => [PROD, DR].filter((cluster) => web(cluster)?.running);
  const restores = () => Object.values(state(to).tasks).filter(({ type }) => type === "qmrestore");
  const archives = () =>
    Object.values(federation.simulator.world.state.backends).flatMap(({ kind, volumes }) => (kind === "pbs" ? Object.keys(volumes) : []));
  const verifications = () =>
    Object.values(federation.simulator.world.state.backupServers ?? {}).flatMap(({ tasks }) =>
      Object.values(tasks).filter(({ type }) => type === "verify_snapshot"),
    );

  function drain(cluster: string | undefined): Promise<void> {
    return federation.edit((yaml) =>
      [PROD, DR].reduce((edited, id) => setClusterStatus(edited, id, id === cluster ? "draining" : "active"), yaml),
    );
  }

  function write(cluster: string, first: number, count: number, seed: string): Promise<unknown> {
    const blocks = Array.from({ length: count }, (_, index) => first + index);
    return federation.admin("POST", `/guests/${cluster}/${web(cluster)!.vmid}/write`, { disk: "scsi0", blocks, seed });
  }

  /** Checksum of web-1's disk on a cluster, as it stands. */
  async function dataOn(cluster: string): Promise<string> {
    const disks = await federation.admin<{ sha256: string; volids: { cluster: string; volid: string }[] }[]>("GET", "/checksums");
    const volid = web(cluster)?.config.scsi0?.split(",")[0];
    const [disk, ...others] = disks.filter(({ volids }) => volids.some((shown) => shown.cluster === cluster && shown.volid === volid));
    if (!disk || others.length > 0) throw new Error(`${volid} of ${cluster} is on ${others.length + (disk ? 1 : 0)} places`);
    return disk.sha256;
  }

  /** Runs the program until the target runs on a restore that is still under way. */
  async function untilHalfRestored(): Promise<{ outcome: Promise<unknown> }> {
    const known = restores().length;
    const outcome = stack.up(program).catch((error: unknown) => error);
    const halfWay = () =>
      web(to)?.running === true &&
      restores()
        .slice(known)
        .some(({ endMs, log }) => endMs === undefined && log.some((line) => line.includes("transferred")));
    await expect.poll(halfWay, { timeout: 120_000, interval: 10 }).toBe(true);
    return { outcome };
  }

  async function stopRestore(): Promise<void> {
    const task = restores().find(({ endMs }) => endMs === undefined)!;
    await withClient(federation, to, async (api) => {
      await api.tasks.stop(task.upid);
      await expect(api.tasks.wait(task.upid)).rejects.toThrow(/live-restore failed/);
    });
  }

  async function expectMoved(data: string): Promise<void> {
    expect(running()).toEqual([to]);
    expect(await dataOn(to)).toBe(data);
    expect(web(from)).toBeUndefined();
    expect(archives()).toEqual([]);
  }

  it("of a backup that was verified while the VM ran arrives", async () => {
    const before = await dataOn(from);
    const step = (await stack.preview(program)).find(({ name, operation }) => name === "web-1" && operation === "replace");
    expect(JSON.stringify(step)).toContain("pbs reads the whole first backup while the VM still runs");
    await stack.up(program);
    await expectMoved(before);
    expect(verifications().map(({ exitStatus }) => exitStatus)).toEqual(["OK"]);
    const finalBackup = Object.values(state(from).tasks).filter(({ type }) => type === "vzdump")[1]!;
    expect(verifications()[0]!.endMs).toBeLessThanOrEqual(finalBackup.startMs);
  });

  it("that fails midway gives the VM back as at its final backup, and the next run carries it over", async () => {
    const before = await dataOn(from);
    const { outcome } = await untilHalfRestored();
    await write(to, 0, 3, "written on half a disk");
    await stopRestore();
    const error = await outcome;
    expect(error).toBeInstanceOf(OperationFailedError);
    expect((error as Error).message).toMatch(
      /live restore to vm \d+ on .* has failed: .*What web-1 wrote there since its start .* is lost/s,
    );
    expect(running()).toEqual([from]);
    expect(web(to)).toBeUndefined();
    expect(await dataOn(from)).toBe(before);
    expect(archives()).toEqual([]);
    await stack.up(program);
    await expectMoved(before);
  });

  it("whose provider is killed midway goes on: what the VM writes meanwhile is kept", async () => {
    const before = await dataOn(from);
    const { outcome } = await untilHalfRestored();
    stack.kill();
    expect(await outcome).toBeInstanceOf(OperationFailedError);
    await write(to, 1, 2, "written meanwhile");
    expect(running()).toEqual([to]);
    const known = restores().length;
    await stack.up(program);
    expect(restores()).toHaveLength(known);
    const after = await dataOn(to);
    expect(after).not.toBe(before);
    await expectMoved(after);
  });

  it("that fails while its provider is dead is done again from the same backup by the next run", async () => {
    const before = await dataOn(from);
    const { outcome } = await untilHalfRestored();
    stack.kill();
    expect(await outcome).toBeInstanceOf(OperationFailedError);
    await stopRestore();
    expect(running()).toEqual([]);
    const backups = Object.values(state(from).tasks).filter(({ type }) => type === "vzdump").length;
    await stack.up(program);
    await expectMoved(before);
    expect(Object.values(state(from).tasks).filter(({ type }) => type === "vzdump")).toHaveLength(backups);
  });

  it("that is given up after it has failed unseen gives the VM back as at its final backup", async () => {
    const before = await dataOn(from);
    const { outcome } = await untilHalfRestored();
    stack.kill();
    expect(await outcome).toBeInstanceOf(OperationFailedError);
    await stopRestore();
    await drain(undefined);
    await stack.up(program);
    expect(running()).toEqual([from]);
    expect(await dataOn(from)).toBe(before);
    expect(web(to)).toBeUndefined();
    expect(archives()).toEqual([]);
  });

  it("whose worker is killed on the node touches neither side until an administrator has stopped the VM", async () => {
    const before = await dataOn(from);
    const { outcome } = await untilHalfRestored();
    const { upid } = restores().find(({ endMs }) => endMs === undefined)!;
    const { vmid: target } = web(to)!;
    await federation.admin("POST", `/tasks/${encodeURIComponent(upid)}/kill`);
    const error = await outcome;
    expect((error as Error).message).toContain(`qm unlock ${target} && qm stop ${target}`);
    await expect(stack.up(program)).rejects.toThrow(/still runs/);
    expect(running()).toEqual([to]);
    expect(await dataOn(from)).toBe(before);
    const guest = web(to)!;
    delete guest.config.lock;
    await withClient(federation, to, async (api) => {
      await api.tasks.wait(await api.qemu.stop(guest.node, guest.vmid));
    });
    await stack.up(program);
    await expectMoved(before);
    expect(vmid()).toBe(web(to)!.vmid);
  });
});
