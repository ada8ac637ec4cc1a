import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProxmoxApi } from "../../src/proxmox";
import { checksumsByDrive, getGuest } from "../integration/support/federation-view";
import type { EngineReplay } from "../support/engine-replay";
import type { PropertyMap } from "../support/property-values";
import { clientOf, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { pool, startStack, vm } from "../support/stack";

const CLUSTER = "worldstream-prod";
const ADOPT = { adopt: { cluster: CLUSTER, vmid: 105 } };
const SAME = {
  name: "legacy",
  cores: 2,
  memory: "2GiB",
  cpuType: "kvm64",
  osType: "other",
  scsiController: "lsi",
  onBoot: true,
  description: "made by hand",
  disks: [{ size: "2GiB", storageClass: "fast" }],
  networks: [{ network: "lan" }],
  tags: ["old"],
};

describe("a VM that existed before", () => {
  let federation: SimulatedFederation;
  let stack: EngineReplay;
  let api: ProxmoxApi;

  beforeEach(async () => {
    federation = await startSimulatedFederation();
    stack = startStack(federation);
    api = clientOf(federation, CLUSTER);
    await create(105, {});
  });
  afterEach(async () => {
    await api.close();
    await federation.stop();
  });

  async function create(vmid: number, changes: Record<string, string | number>): Promise<void> {
    const shape = {
      vmid,
      name: "legacy",
      cores: 2,
      memory: 2048,
      scsi0: "nvme:2",
      net0: "virtio,bridge=vmbr0,tag=20",
      onboot: 1,
      tags: "old",
    };
    await api.tasks.wait(await api.qemu.create("ams-2", { ...shape, boot: "order=scsi0", description: "made by hand", ...changes }));
    await api.tasks.wait(await api.qemu.start("ams-2", vmid));
  }

  const program = (changes: PropertyMap = {}) => [pool("production-pool"), vm("legacy", { ...SAME, ...ADOPT, ...changes } as PropertyMap)];
  const world = () => federation.simulator.world;
  const planned = async (changes?: PropertyMap) => (await stack.preview(program(changes))).find(({ name }) => name === "legacy");

  it("is taken over as it is, with its data, and belongs to the stack afterwards", async () => {
    const before = checksumsByDrive(world());
    const step = await planned();
    expect(step?.operation).toBe("create");
    expect(step?.inputs?.adoption).toBe("vm 105 on worldstream-prod/ams-2 is taken over as it is");
    expect(step?.inputs?.placement).toMatchObject({ cluster: CLUSTER, node: "ams-2" });
    await stack.up(program());
    expect(checksumsByDrive(world())).toEqual(before);
    expect(getGuest(world(), "legacy")).toMatchObject({ vmid: 105, running: true, mark: { stack: "test/dev", phase: "settled" } });
    expect((await planned())?.operation).toBe("same");
    // Without the word `adopt` it is the same resource.
    const { adopt: _adopt, ...plain } = { ...SAME, ...ADOPT };
    const again = await stack.preview([pool("production-pool"), vm("legacy", plain as PropertyMap)]);
    expect(again.find(({ name }) => name === "legacy")?.operation).not.toBe("replace");
  });

  it("says what will be changed, and changes it after the takeover", async () => {
    expect((await planned({ cores: 4 }))?.inputs?.adoption).toContain("then changed: cores 2 → 4");
    await stack.up(program({ cores: 4 }));
    expect(getGuest(world(), "legacy").config.cores).toBe("4");
  });

  it.each([
    ["another VM's number", { adopt: { cluster: CLUSTER, vmid: 999 } }, /vm 999 on worldstream-prod does not exist/],
    ["a disk that is not declared", { disks: [] }, /it has scsi0, which the program does not declare/],
    ["a smaller disk", { disks: [{ size: "1GiB", storageClass: "fast" }] }, /more than the declared/],
    ["another cluster", { pin: { cluster: "databarn-dr" } }, /take it over where it is first/],
  ])("is left alone with %s", async (_what, changes, message) => {
    const before = structuredClone(world().state.clusters[CLUSTER]!.guests);
    await expect(stack.preview(program(changes as PropertyMap))).rejects.toThrow(message);
    await expect(stack.up(program(changes as PropertyMap))).rejects.toThrow(message);
    expect(world().state.clusters[CLUSTER]!.guests).toEqual(before);
  });

  it("is left alone when another stack owns it, or its disks are where none of ours may be", async () => {
    await stack.up(program());
    const other = [pool("production-pool"), vm("stolen", { ...SAME, ...ADOPT } as PropertyMap)];
    await expect(startStack(federation).preview(other)).rejects.toThrow(/belongs to legacy of stack test\/dev/);
    await create(106, { name: "odd", virtio0: "nvme:1" });
    const odd = [pool("production-pool"), vm("odd", { ...SAME, name: "odd", adopt: { cluster: CLUSTER, vmid: 106 } } as PropertyMap)];
    await expect(startStack(federation).preview(odd)).rejects.toThrow(/disks on virtio0/);
  });
});
