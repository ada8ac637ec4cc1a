import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatDescription, identityTag, type Mark } from "../../src/migration";
import type { ProxmoxApi } from "../../src/proxmox";
import { checksumsByDrive, getGuest } from "../integration/support/federation-view";
import { countWrites } from "../integration/support/requests";
import { clientOf, type SimulatedFederation, startSimulatedFederation } from "../support/simulated-federation";
import { federate } from "./run";

const FROM = "worldstream-prod";
const TO = "databarn-dr";
const POOL = "production-pool";

let simulated: SimulatedFederation;
let api: ProxmoxApi;
beforeEach(async () => {
  simulated = await startSimulatedFederation({ timeScale: 2000 });
  api = clientOf(simulated, FROM);
  await api.pools.create(POOL, "");
});
afterEach(async () => {
  await api.close();
  await simulated.stop();
});

const world = () => simulated.simulator.world;
const guests = (id: string) => Object.values(world().state.clusters[id]!.guests);

async function createVm(vmid: number, name: string, changes: Record<string, string | number> = {}): Promise<void> {
  const shape = {
    vmid,
    name,
    cores: 2,
    memory: 2048,
    virtio0: "nvme:2",
    scsi0: "nvme:1",
    net0: "virtio,bridge=vmbr0,tag=20",
    onboot: 1,
    pool: POOL,
  };
  await api.tasks.wait(await api.qemu.create("ams-1", { ...shape, ...changes }));
  await api.tasks.wait(await api.qemu.start("ams-1", vmid));
}

const migrate = (...argv: string[]) => federate(["migrate", ...argv], simulated.env);

describe("federate migrate", () => {
  it("moves a VM that nobody else owns, with its data, and leaves nothing behind", async () => {
    await createVm(100, "legacy", { description: "made by hand" });
    const before = checksumsByDrive(world());
    const { code, out, err } = await migrate("vm-100", "--from", FROM, "--to", TO);
    expect([code, out]).toEqual([0, expect.stringMatching(/^moved: legacy is vm 100 on databarn-dr\/rtm-\d \(\d+ s\)\n$/)]);
    expect(err).toContain("verifying");
    expect(guests(FROM)).toEqual([]);
    const moved = getGuest(world(), "legacy");
    expect(moved).toMatchObject({ cluster: TO, running: true, config: { onboot: "1", net0: expect.stringContaining("bridge=vmbr1") } });
    expect(moved.config.net0).toContain("tag=120");
    expect(moved.config.description).toMatch(/^made by hand/);
    expect(checksumsByDrive(world())).toEqual(before);
    // And back, with the mark that the first move has left.
    expect((await migrate("legacy", "--from", TO, "--to", FROM)).code).toBe(0);
    expect(checksumsByDrive(world())).toEqual(before);
    expect(guests(TO)).toEqual([]);
  });

  it("only shows what it would do on a dry run", async () => {
    await createVm(100, "legacy");
    await simulated.admin("DELETE", "/requests");
    const { code, out } = await migrate("100", "--from", FROM, "--to", TO, "--dry-run");
    expect(code).toBe(0);
    expect(out).toMatch(/^from: +worldstream-prod\/ams-1 \(vm 100\)$/m);
    expect(out).toMatch(/^method: +backup-restore/m);
    expect(out).toMatch(/^downtime: +/m);
    expect(await countWrites(simulated)).toBe(0);
  });

  it("refuses a name that may mean two guests, and guests that are not there", async () => {
    await createVm(100, "vm-101");
    await createVm(101, "other");
    const both = await migrate("vm-101", "--from", FROM, "--to", TO);
    expect([both.code, both.err]).toEqual([2, expect.stringMatching(/may mean vm 100 \(vm-101, .* and vm 101 \(other/)]);
    const none = await migrate("nobody", "--from", FROM, "--to", TO);
    expect([none.code, none.err]).toEqual([2, expect.stringContaining("there is no guest nobody on worldstream-prod")]);
    expect(guests(FROM)).toHaveLength(2);
  });

  it("refuses a VM that a stack owns, and moves it when it is handed over", async () => {
    const mark: Mark = { federation: "acme", stack: "shop/prod", kind: "vm", name: "web-1", generation: 1, phase: "settled" };
    await createVm(100, "web-1", { description: formatDescription("", mark) });
    await api.qemu.updateConfig("ams-1", 100, { tags: identityTag(mark) });
    const refused = await migrate("web-1", "--from", FROM, "--to", TO);
    expect([refused.code, refused.err]).toEqual([2, expect.stringMatching(/VM web-1 of stack shop\/prod.*--hand-over/)]);
    expect(guests(FROM)).toHaveLength(1);
    const moved = await migrate("web-1", "--from", FROM, "--to", TO, "--hand-over");
    expect([moved.code, moved.out]).toEqual([0, expect.stringContaining("next: pulumi refresh in shop/prod")]);
    expect(getGuest(world(), "web-1")).toMatchObject({ cluster: TO });
    expect(getGuest(world(), "web-1").config.description).toContain('"stack":"shop/prod"');
  });

  it.each<[string, Partial<Mark>, number | undefined, RegExp]>([
    [
      "a kept source whose guest has moved on",
      { successor: { cluster: TO, vmid: 300 } },
      200,
      /former copy of VM legacy .*vm 200 on databarn-dr/,
    ],
    [
      "an old copy of a failover",
      { outdatedSince: "2026-01-01T00:00:00Z", successor: { cluster: TO, vmid: 200 } },
      200,
      /vm 200 on databarn/,
    ],
    ["a source whose guest is out of sight", { successor: { cluster: TO, vmid: 300 } }, undefined, /came after it cannot be seen/],
  ])("does not take %s for the guest", async (_what, changes, serving, message) => {
    const mark: Mark = { federation: "acme", stack: "federate", kind: "vm", name: "legacy", generation: 1, phase: "settled" };
    const tags = identityTag(mark);
    await api.tasks.wait(await api.qemu.create("ams-1", { vmid: 100, name: "legacy", memory: 512, scsi0: "nvme:1", pool: POOL, tags }));
    const former = formatDescription("", { ...mark, phase: "retired", ...changes });
    await api.qemu.updateConfig("ams-1", 100, { description: former, template: 1 });
    const there = clientOf(simulated, TO);
    if (serving !== undefined) {
      await there.pools.create(POOL, "");
      const description = formatDescription("", { ...mark, generation: 3 });
      const now = { vmid: serving, name: "legacy", memory: 512, pool: POOL, tags, description };
      await there.tasks.wait(await there.qemu.create("rtm-1", now));
    }
    await there.close();
    await simulated.admin("DELETE", "/requests");
    const { code, err } = await migrate("100", "--from", FROM, "--to", TO, "--yes");
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
    expect(await countWrites(simulated)).toBe(0);
  });

  it("goes on where a killed run stopped", async () => {
    await createVm(100, "legacy");
    const before = checksumsByDrive(world());
    await simulated.admin("POST", "/faults", {
      cluster: TO,
      method: "POST",
      path: "/nodes/{node}/qemu",
      action: { kind: "status", code: 500, reason: "out of memory" },
      times: 0,
    });
    const broken = await migrate("100", "--from", FROM, "--to", TO);
    expect(broken.code).toBe(1);
    expect(getGuest(world(), "legacy")).toMatchObject({ cluster: FROM, running: true });
    await simulated.admin("DELETE", "/faults");
    expect((await migrate("100", "--from", FROM, "--to", TO)).code).toBe(0);
    expect(checksumsByDrive(world())).toEqual(before);
    expect(guests(FROM)).toEqual([]);
  });

  it.each([
    [["--from", FROM, "--to", FROM], 2, /are both worldstream-prod/],
    [["--from", FROM, "--to", "nowhere"], 2, /there is no cluster nowhere in the federation file\. It declares worldstream-prod, /],
    [["--from", "hetzner-edge", "--to", FROM], 2, /there is no guest 100 on hetzner-edge/],
    [["--from", FROM, "--to", "hetzner-edge"], 1, /production-pool has no member hetzner-edge/],
  ])("refuses %s", async (argv, code, message) => {
    await createVm(100, "legacy");
    const result = await migrate("100", ...argv);
    expect([result.code, result.err]).toEqual([code, expect.stringMatching(message)]);
    expect(guests(FROM)).toHaveLength(1);
  });
});
