/** Remote migration between two simulated clusters: the bytes, the one copy that runs, what is left, and what is refused. */

import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setClusterStatus } from "../../src/cli/simulated-config";
import type { MoveRecord } from "../../src/migration";
import type { EngineReplay } from "../support/engine-replay";
import type { PropertyMap } from "../support/property-values";
import { OperationFailedError, type Step } from "../support/replay-model";
import { EXAMPLE_FEDERATION, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { disk, pool, startStack, vm } from "../support/stack";

const PROD = "worldstream-prod";
const DR = "databarn-dr";

const web = (changes: PropertyMap = {}) =>
  vm("web-1", {
    cores: 1,
    memory: "1GiB",
    disks: [{ size: "1GiB", storageClass: "fast" }],
    networks: [{ network: "lan" }],
    agent: true,
    ...changes,
  });
const program = [pool("production-pool"), web()];
const atRest = { "production-pool": "same", "web-1": "same" };

interface Checksum {
  vmid: number;
  sha256: string;
  blockCount: number;
  volids: { cluster: string }[];
}

const operations = (steps: Step[]) =>
  Object.fromEntries(steps.filter((step) => step.operation !== "delete-replaced").map((step) => [step.name, step.operation]));

async function start(method: string, edit: (text: string) => string = (text) => text) {
  const example = await readFile(EXAMPLE_FEDERATION, "utf8");
  const text = edit(example.replaceAll("method: backup-restore", `method: ${method}`));
  const federation = await startSimulatedFederation({ text });
  return { federation, stack: startStack(federation) };
}

class Scene {
  constructor(
    readonly federation: SimulatedFederation,
    readonly stack: EngineReplay,
  ) {}

  guests(cluster: string) {
    return this.federation.simulator.world.state.clusters[cluster]!.guests;
  }

  get vmid(): number {
    return this.stack.get("web-1").outputs.vmid as number;
  }

  get cluster(): string {
    return (this.stack.get("web-1").outputs.placement as { cluster: string }).cluster;
  }

  drain(cluster: string, status: "draining" | "active" = "draining"): Promise<void> {
    return this.federation.edit((text) => setClusterStatus(text, cluster, status));
  }

  write(blocks: number, seed: string): Promise<unknown> {
    return this.federation.admin("POST", `/guests/${this.cluster}/${this.vmid}/write`, { disk: "scsi0", blocks, seed });
  }

  async dataOf(cluster: string): Promise<string[]> {
    const disks = await this.federation.admin<Checksum[]>("GET", "/checksums");
    const written = disks.filter((found) => found.vmid !== 0 && found.blockCount > 0);
    return written.filter((found) => found.volids.some((volid) => volid.cluster === cluster)).map((found) => found.sha256);
  }

  /** As the administrator that the message asks for. */
  unlock(cluster: string, vmid: number): void {
    const { config } = this.guests(cluster)[String(vmid)]!;
    delete config.lock;
    config.template = "1";
    delete config.onboot;
  }

  /** Nobody but the request itself has seen the target's token. */
  async expectSecretKept(): Promise<void> {
    const secrets = Object.entries(this.federation.env).flatMap(([key, value]) => (/SECRET|TOKEN/.test(key) ? [value] : []));
    expect(secrets.length).toBeGreaterThan(0);
    const logs = Object.values(this.federation.simulator.world.state.clusters).flatMap((cluster) =>
      Object.values(cluster.tasks).map((task) => JSON.stringify(task)),
    );
    const configs = [PROD, DR].flatMap((cluster) => JSON.stringify(this.guests(cluster)));
    const places = {
      state: JSON.stringify(this.stack.state),
      output: this.stack.output.join("\n"),
      logs: logs.join("\n"),
      configs: configs.join(),
    };
    for (const [place, text] of Object.entries(places))
      for (const secret of secrets) expect([place, text.includes(secret)]).toEqual([place, false]);
  }
}

describe("a running VM by method storage", () => {
  let scene: Scene;
  let firstVmid: number;
  beforeAll(async () => {
    const { federation, stack } = await start("storage");
    scene = new Scene(federation, stack);
    await stack.up(program);
    firstVmid = scene.vmid;
  });
  afterAll(async () => {
    await scene?.federation.stop();
  });

  it("says in the preview what will be left to do", async () => {
    await scene.write(100, "system");
    await scene.drain(PROD);
    const step = (await scene.stack.preview(program)).find(({ name, operation }) => name === "web-1" && operation === "replace");
    expect(step?.inputs?.migration).toMatchObject({
      method: expect.stringContaining("while it runs"),
      store: expect.stringContaining("API token"),
      source: expect.stringContaining("qm unlock"),
      downtime: "1s to 10s",
    });
  });

  it("arrives running with its bytes, and leaves the source stopped and locked", async () => {
    const before = await scene.dataOf(PROD);
    expect(before).toHaveLength(1);
    await scene.stack.up(program);
    expect(scene.cluster).toBe(DR);
    expect(await scene.dataOf(DR)).toEqual(before);
    expect(scene.guests(DR)[String(scene.vmid)]).toMatchObject({ running: true });
    const source = scene.guests(PROD)[String(firstVmid)]!;
    expect([source.running, source.config.lock, source.config.onboot]).toEqual([false, "migrate", source.config.onboot]);
    const record = scene.stack.get("web-1").outputs.lastMove as unknown as MoveRecord;
    expect(record).toMatchObject({ method: "storage", result: "moved", leftToDo: expect.stringContaining(`qm unlock ${firstVmid}`) });
    expect(record.upids.some((upid) => upid.includes(":qmshutdown:"))).toBe(false);
    expect(scene.stack.output.join("\n")).toContain(`qm unlock ${firstVmid}`);
    await scene.expectSecretKept();
  });

  it("needs nothing afterwards, and keeps the locked source through further updates", async () => {
    expect(operations(await scene.stack.preview(program))).toEqual(atRest);
    expect((await scene.stack.refresh()).filter(({ drift }) => drift)).toEqual([]);
    const more = [program[0]!, web({ memory: "2GiB" })];
    await scene.stack.up(more);
    await scene.stack.up(program);
    expect(Object.keys(scene.guests(PROD))).toEqual([String(firstVmid)]);
  });

  it("is not destroyed while its former copy is locked", async () => {
    await expect(scene.stack.up([program[0]!])).rejects.toThrow(OperationFailedError);
    expect(scene.stack.output.join("\n")).toContain("is not destroyed yet");
    expect(scene.guests(DR)[String(scene.vmid)]).toBeDefined();
  });

  it("loses the former copy with the first update after it was unlocked", async () => {
    scene.unlock(PROD, firstVmid);
    const preview = await scene.stack.preview(program);
    expect(operations(preview)).toEqual({ ...atRest, "web-1": "update" });
    expect(preview.find(({ name }) => name === "web-1")?.inputs?.cleanup).toContain(`the former vm ${firstVmid}`);
    await scene.stack.up(program);
    expect(Object.keys(scene.guests(PROD))).toEqual([]);
    expect(operations(await scene.stack.preview(program))).toEqual(atRest);
  });

  it("goes back while a former copy is still locked, under another vmid", async () => {
    const there = scene.vmid;
    await scene.drain(PROD, "active");
    await scene.drain(DR);
    await scene.stack.up(program);
    expect(scene.cluster).toBe(PROD);
    const back = scene.vmid;
    await scene.drain(DR, "active");
    await scene.drain(PROD);
    await scene.stack.up(program);
    expect(scene.cluster).toBe(DR);
    expect(scene.vmid).not.toBe(there);
    expect(scene.guests(DR)[String(there)]?.config.lock).toBe("migrate");
    expect(scene.guests(PROD)[String(back)]?.config.lock).toBe("migrate");
    expect(operations(await scene.stack.preview(program))).toEqual(atRest);
    for (const [cluster, vmid] of [
      [DR, there],
      [PROD, back],
    ] as const)
      scene.unlock(cluster, vmid);
    await scene.stack.up(program);
    await scene.stack.destroy();
    expect([Object.keys(scene.guests(PROD)), Object.keys(scene.guests(DR))]).toEqual([[], []]);
  });
});

const sameStorage = (text: string) => text.replace("name: ssd, type: lvm", "name: ssd, type: zfs");
/** The memory alone then takes minutes of the simulator's clock. */
const thinLine = (text: string) => text.replaceAll("max_bandwidth: 500Mbps", "max_bandwidth: 20Mbps");

describe.each([
  ["offline", sameStorage],
  ["storage", thinLine],
])("a VM by method %s, whose provider is killed in the middle", (method, edit) => {
  let scene: Scene;
  beforeAll(async () => {
    const { federation, stack } = await start(method, (text) => thinLine(edit(text)));
    scene = new Scene(federation, stack);
    await stack.up(program);
  });
  afterAll(async () => {
    await scene?.federation.stop();
  });

  const running = () =>
    [PROD, DR].flatMap((cluster) =>
      Object.values(scene.guests(cluster)).flatMap((guest) => (guest.qmpStatus === "running" ? [cluster] : [])),
    );

  it("ends as if nothing had happened when it is run again", async () => {
    const { vmid } = scene;
    await scene.write(100, "system");
    const before = await scene.dataOf(PROD);
    await scene.drain(PROD);
    const moving = expect(scene.stack.up(program)).rejects.toThrow();
    const tasks = () => Object.values(scene.federation.simulator.world.state.clusters[PROD]!.tasks);
    await expect
      .poll(() => tasks().some(({ type, endMs }) => type === "qmigrate" && endMs === undefined), { timeout: 120_000, interval: 10 })
      .toBe(true);
    scene.stack.kill();
    await moving;
    expect(running().length).toBeLessThanOrEqual(1);

    await scene.stack.up(program);
    expect(scene.cluster).toBe(DR);
    expect(await scene.dataOf(DR)).toEqual(before);
    expect(running()).toEqual([DR]);
    expect(tasks().filter(({ type }) => type === "qmigrate")).toHaveLength(1);
    const { config } = scene.guests(PROD)[String(vmid)]!;
    expect([config.lock, config.template]).toEqual(["migrate", method === "offline" ? "1" : undefined]);
    expect(operations(await scene.stack.preview(program))).toEqual(atRest);
    await scene.expectSecretKept();
  });
});

describe("a remote migration that cannot succeed", () => {
  let scene: Scene;
  beforeAll(async () => {
    const { federation, stack } = await start("offline");
    scene = new Scene(federation, stack);
    await stack.up(program);
    await scene.drain(PROD);
  });
  afterAll(async () => {
    await scene?.federation.stop();
  });

  const refusal = async (declared = program) => {
    await expect(scene.stack.preview(declared)).rejects.toThrow(OperationFailedError);
    return scene.stack.preview(declared).then(
      () => "",
      (error: Error) => error.message,
    );
  };

  it("is refused for storages of unlike types, snapshots, inserted images and missing rights, all at once", async () => {
    const guest = scene.guests(PROD)[String(scene.vmid)]!;
    const before = structuredClone({ config: guest.config, snapshots: guest.snapshots });
    guest.config.parent = "before";
    guest.config.ide0 = "local:iso/debian.iso,media=cdrom";
    const { acl } = scene.federation.simulator.world.state.clusters[DR]!.access;
    const incoming = acl.findIndex(({ role }) => role === "FederationIncoming");
    const [grant] = acl.splice(incoming, 1);
    const message = await refusal();
    Object.assign(guest, before);
    acl.splice(incoming, 0, grant!);
    expect(message).toContain("cannot be sent to storage ssd");
    expect(message).toContain("snapshots");
    expect(message).toContain("inserted image");
    expect(message).toContain("the token of databarn-dr lacks Sys.Incoming on /");
    expect(Object.values(scene.federation.simulator.world.state.clusters[PROD]!.tasks).filter(({ type }) => type === "qmigrate")).toEqual(
      [],
    );
  });

  it("is refused for a disk with a life of its own", async () => {
    await scene.drain(PROD, "active");
    const withDisk = [...program, disk("data", { size: "1GiB", storageClass: "fast" }, "web-1")];
    await scene.stack.up(withDisk);
    await scene.drain(PROD);
    const message = await refusal(withDisk);
    expect(message).toContain("belongs to another guest");
  });
});
