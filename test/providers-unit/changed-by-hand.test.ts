/** What people do to guests and stacks behind the program's back: found in the preview, kept where it is theirs. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/proxmox";
import type { FakeGuest } from "../support/fake-guest";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const GIB = 1024 ** 3;
const web = (changes: Declared["args"] = {}): Declared => ({
  name: "web",
  kind: "vm",
  args: { cores: 1, memory: "1GiB", disks: [{ size: "2GiB" }], networks: [{ network: "lan" }], ...changes },
});
const data = (changes: Declared["args"] = {}, attachTo?: string): Declared => ({
  name: "data",
  kind: "disk",
  args: { size: "2GiB", ...changes },
  attachTo,
});

let scenario: ProgramScenario;
beforeEach(() => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
  scenario = new ProgramScenario();
});
afterEach(() => vi.restoreAllMocks());

const guest = (vmid: number): FakeGuest => scenario.a.guests.get(vmid)!;
const restart = async (program: Declared[]) => (await scenario.preview(program)).web?.inputs.restart;

describe("a resource renamed without a word", () => {
  it.each([web(), data()])("is refused, and so is its move: a new $kind would be empty, and the old one would go", async (declared) => {
    await scenario.up([declared]);
    scenario.prefer("b");
    const before = scenario.ours();
    // The alias: the engine goes on with what it knows.
    scenario.rename(declared.name, "shop");
    const renamed = { ...declared, name: "shop" };
    const reason = new RegExp(`identity: .*former name: add identity: "${declared.name}"`);
    await expect(scenario.preview([renamed])).rejects.toThrow(reason);
    await expect(scenario.up([renamed])).rejects.toThrow(reason);
    expect(scenario.ours()).toEqual(before);
  });
});

describe("a move", () => {
  it("is refused in the preview when a disk was grown by hand: it would end in the target with the VM down", async () => {
    await scenario.up([web()]);
    guest(100).config.scsi0 = guest(100).config.scsi0!.replace("size=2G", "size=4G");
    scenario.prefer("b");
    await expect(scenario.preview([web()])).rejects.toThrow(/its scsi0 has 4294967296 bytes, more than the declared 2147483648/);
    await expect(scenario.preview([web({ disks: [{ size: "4GiB" }] })])).resolves.toMatchObject({ web: { step: "replace" } });
  });

  it("is refused in the preview when a disk was added by hand", async () => {
    await scenario.up([web()]);
    guest(100).config.scsi1 = "fast:vm-100-disk-1,size=1G";
    scenario.prefer("b");
    await expect(scenario.preview([web()])).rejects.toThrow(/it has scsi1, which the program does not declare/);
  });
});

describe("a restart", () => {
  it("is not made for what an operator has left to the next one", async () => {
    await scenario.up([web()]);
    guest(100).pending.vga = "qxl";
    const described = web({ description: "the shop" });
    expect(await restart([described])).toBeUndefined();
    await scenario.up([described]);
    expect(guest(100).pending).toEqual({ vga: "qxl" });
    expect(guest(100).config.vga).toBeUndefined();
  });

  it("is said in the preview when a refresh has found the change that needs it", async () => {
    await scenario.up([web()]);
    guest(100).config.cores = "8";
    expect(await scenario.refresh()).toEqual({ web: ["cores is 8, declared 1"] });
    expect(await restart([web()])).toBe("the VM restarts: cores cannot change while it runs");
    await scenario.up([web()]);
    expect(guest(100)).toMatchObject({ config: { cores: "1" }, pending: {}, power: "running" });
    expect(await scenario.refresh()).toEqual({});
    expect((await scenario.preview([web()])).web).toMatchObject({ step: "same" });
    expect(await restart([web()])).toBeUndefined();
  });

  it("is none for a VM that stands still", async () => {
    await scenario.up([web({ running: false })]);
    expect(await restart([web({ cores: 2 })])).toBeUndefined();
  });

  it("is said in full or counted, within what the engine shows", async () => {
    await scenario.up([web()]);
    const long = web({
      cores: 2,
      sockets: 2,
      cpuType: "host",
      memory: "2GiB",
      agent: true,
      machine: "q35",
      osType: "win11",
      scsiController: "lsi",
      disks: [{ size: "2GiB", discard: true }],
      cloudInit: { user: "me", sshKeys: ["ssh-ed25519 AAAA me"], ipConfigs: ["ip=dhcp"], nameservers: ["192.0.2.1"] },
    });
    const text = (await restart([long])) as string;
    expect(text.length).toBeLessThanOrEqual(150);
    expect(text).toMatch(/^the VM restarts: agent, .*, \d+ more cannot change while it runs$/);
  });

  it("of a running VM that is taken over is said as well", async () => {
    const mine = scenario.a.addGuest({ vmid: 300, node: "a1", power: "running", config: { name: "old", cores: "4", memory: "1024" } });
    const adopted: Declared = { name: "old", kind: "vm", args: { cores: 2, memory: "1GiB", adopt: { cluster: "a", vmid: 300 } } };
    const planned = async () => (await scenario.preview([adopted])).old?.inputs;
    expect((await planned())?.adoption).toMatch(/cores 4 → 2/);
    expect((await planned())?.restart).toMatch(/^the VM restarts: .*cores/);
    mine.power = "stopped";
    expect((await planned())?.restart).toBeUndefined();
  });
});

describe("an operator's own settings", () => {
  it("of a network card outlive a change of it", async () => {
    await scenario.up([web()]);
    guest(100).config.net0 += ",link_down=1,queues=4";
    await scenario.up([web({ networks: [{ network: "dmz", firewall: true }] })]);
    expect(guest(100).config.net0?.split(",").slice(1).sort()).toEqual(
      ["bridge=vmbr1", "firewall=1", "link_down=1", "mtu=9000", "queues=4", "tag=7"].sort(),
    );
    expect((await scenario.preview([web({ networks: [{ network: "dmz", firewall: true }] })])).web?.step).toBe("same");
  });

  it("of protection are not taken off by a destroy", async () => {
    await scenario.up([web()]);
    guest(100).config.protection = "1";
    await expect(scenario.destroy()).rejects.toThrow(/vm 100 on a\/a\d is protected in Proxmox.*qm set 100 --protection 0/);
    expect(scenario.ours()).toEqual(["a/100 running"]);
    delete guest(100).config.protection;
    await scenario.destroy();
    expect(scenario.ours()).toEqual([]);
  });
});

describe("a cloud-init drive", () => {
  it("is taken away where it is, and a disk on the usual slot stays", async () => {
    await scenario.up([web()]);
    Object.assign(guest(100).config, { ide0: "fast:vm-100-cloudinit,media=cdrom", ide2: "slow:vm-100-disk-9,size=1G" });
    await scenario.refresh();
    await scenario.up([web()]);
    expect(guest(100).config).toMatchObject({ ide2: "slow:vm-100-disk-9,size=1G" });
    expect(guest(100).config.ide0).toBeUndefined();
    expect((await scenario.preview([web()])).web?.step).toBe("same");
  });

  it("does not push a disk from its slot", async () => {
    await scenario.up([web()]);
    guest(100).config.ide2 = "slow:vm-100-disk-9,size=1G";
    await expect(scenario.up([web({ cloudInit: { user: "me" } })])).rejects.toThrow(/vm-100-disk-9.* on ide2, where its cloud-init drive/);
    expect(guest(100).config.ide2).toBe("slow:vm-100-disk-9,size=1G");
    guest(100).config.ide2 = "none,media=cdrom";
    await scenario.up([web({ cloudInit: { user: "me" } })]);
    expect(guest(100).config.ide2).toMatch(/cloudinit/);
  });
});

describe("a disk", () => {
  it("that is larger than declared needs nothing", async () => {
    await scenario.up([data()]);
    for (const volume of scenario.a.volumes.values()) volume.sizeBytes = 4 * GIB;
    await scenario.refresh();
    expect((await scenario.preview([data()])).data?.step).toBe("same");
  });

  it("takes other options, another name and another pool, and then needs nothing", async () => {
    await scenario.up([web(), data({}, "web")]);
    const slot = scenario.outputs("data").slot as string;
    guest(100).config[slot] += ",serial=abc";
    scenario.a.proxmoxPools.set("spare", { comment: "" });
    scenario.federation.resourcePools.push({ ...scenario.federation.resourcePools[0]!, name: "spare" });
    const changed = [web(), data({ discard: true, ssd: true, name: "tables", pool: "spare" }, "web")];
    expect((await scenario.preview(changed)).data?.step).toBe("update");
    await scenario.up(changed);
    expect(guest(100).config[slot]?.split(",").slice(1).sort()).toEqual(["backup=0", "discard=on", "serial=abc", "size=2G", "ssd=1"]);
    expect(guest(101)).toMatchObject({ pool: "spare", config: { name: "tables" } });
    expect((await scenario.preview(changed)).data?.step).toBe("same");
  });

  it.each(["destroyed", "detached", "moved"])("is not %s while a guest has been asked to let go and still holds it", async (what) => {
    await scenario.up([web(), data({}, "web")]);
    const slot = scenario.outputs("data").slot as string;
    // As a hot-unplug leaves it that the guest did not answer.
    guest(100).pending[slot] = undefined;
    const before = scenario.ours();
    for (const cluster of scenario.federation.clusters) cluster.status = "active";
    const program = what === "destroyed" ? [web()] : what === "detached" ? [web(), data()] : [web(), data({ pin: { cluster: "b" } })];
    await expect(scenario.up(program)).rejects.toThrow(/did not let go of scsi16|runs on it \(scsi16\)/);
    expect(scenario.ours()).toEqual(before);
    expect([...scenario.world.violations]).toEqual([]);
  });

  it("is not destroyed under a guest that is just going to another node", async () => {
    await scenario.up([data()]);
    const volid = scenario.outputs("data").volid as string;
    scenario.a.addGuest({ vmid: 900, node: "a1", power: "running", config: { scsi3: `${volid},backup=0` } });
    const findConfig = scenario.a.qemu.findConfig;
    vi.spyOn(scenario.a.qemu, "findConfig").mockImplementation((node, vmid, options) => {
      if (vmid === 900) scenario.a.guests.get(900)!.node = "a2";
      return findConfig(node, vmid, options);
    });
    await expect(scenario.destroy()).rejects.toThrow(/is used by vm 900 on a as scsi3, which is not ours/);
  });

  it("is fenced and protected again when somebody has undone that", async () => {
    await scenario.up([data()]);
    delete guest(100).config.template;
    delete guest(100).config.protection;
    expect(await scenario.refresh()).toEqual({ data: ["the owner is not fenced (template)", "the owner is not protected"] });
    await scenario.up([data()]);
    expect(guest(100).config).toMatchObject({ template: "1", protection: "1" });
    expect(await scenario.refresh()).toEqual({});
  });

  it("whose owner was started is not fenced over it: the operator is told", async () => {
    await scenario.up([data()]);
    delete guest(100).config.template;
    await scenario.refresh();
    guest(100).power = "running";
    await expect(scenario.up([data()])).rejects.toThrow(/vm 100 on a\/a\d, which owns disk data, was started by hand: stop it/);
  });
});

describe("sizes without a unit", () => {
  it.each([
    ["memory", { memory: 4096 }, /memory: 4096 is a size of 4096 bytes/],
    ["a disk", { disks: [{ size: 32 }] }, /disks\[0\]\.size: 32 is a size of 32 bytes/],
    ["memory below what Proxmox takes", { memory: "8MiB" }, /memory: .*at least "16MiB"/],
    ["more balloon than memory", { balloon: "2GiB" }, /balloon: .*more than memory/],
  ])("are refused for %s", async (_what, changes, message) => {
    await expect(scenario.preview([web(changes)])).rejects.toThrow(message);
  });
});
