/** A VM's whole life through the provider, and the same life with the process killed at every call. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Inputs } from "../../src/providers/inputs";
import { systemClock } from "../../src/proxmox";
import { sweepCalls } from "../support/call-sweep";
import type { Fault } from "../support/fake-world";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const WEB: Inputs = {
  cores: 2,
  memory: "2GiB",
  disks: [
    { size: "8GiB", discard: true },
    { size: "1GiB", storageClass: "slow" },
  ],
  networks: [{ network: "lan" }, { network: "dmz", firewall: true }],
  tags: ["web"],
  description: "the shop",
  agent: true,
};

const web = (changes: Inputs = {}): Declared[] => [{ name: "web", kind: "vm", args: { ...WEB, ...changes } }];

let scenario: ProgramScenario;
beforeEach(() => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

const stepOf = async (program: Declared[]) => (await scenario.preview(program)).web?.step;

/** Nothing to do, no drift. */
async function expectRest(program: Declared[]): Promise<void> {
  expect(await stepOf(program)).toBe("same");
  expect(await scenario.refresh()).toEqual({});
  expect(await stepOf(program)).toBe("same");
}

/** What is wrong when one VM runs on that cluster and nothing else is left; empty = all is well. */
function flaws(on: string): string[] {
  const found = scenario.ours();
  const right = found.length === 1 && found[0]!.startsWith(`${on}/`) && found[0]!.endsWith(" running");
  return [...scenario.litter(), ...(right ? [] : [`guests: ${found.join(", ")}`])];
}

describe("a VM", () => {
  it("is created as declared, and then there is nothing to do", async () => {
    scenario = new ProgramScenario();
    expect(await scenario.up(web())).toEqual({ web: "create" });
    expect(flaws("a")).toEqual([]);
    await expectRest(web());
  });

  it.each<[string, Inputs, (config: Record<string, string>) => unknown, unknown]>([
    ["more cores", { cores: 4 }, (config) => config.cores, "4"],
    ["less memory", { memory: "1GiB" }, (config) => config.memory, "1024"],
    [
      "a larger disk",
      {
        disks: [
          { size: "9GiB", discard: true },
          { size: "1GiB", storageClass: "slow" },
        ],
      },
      (config) => config.scsi0?.includes("size=9G"),
      true,
    ],
    ["a further disk", { disks: [...(WEB.disks as Inputs[]), { size: "4GiB" }] }, (config) => config.scsi2?.includes("size=4G"), true],
    [
      "a disk's options",
      {
        disks: [
          { size: "8GiB", ssd: true },
          { size: "1GiB", storageClass: "slow" },
        ],
      },
      (config) => config.scsi0?.replace(/^[^,]*,/, ""),
      "size=8G,ssd=1",
    ],
    [
      "a disk's storage",
      { disks: [{ size: "8GiB", discard: true }, { size: "1GiB" }] },
      (config) => config.scsi1?.startsWith("fast:"),
      true,
    ],
    [
      "another network",
      { networks: [{ network: "dmz" }, { network: "dmz", firewall: true }] },
      (config) => config.net0?.includes("bridge=vmbr1"),
      true,
    ],
    ["one card less", { networks: [{ network: "lan" }] }, (config) => config.net1, undefined],
    ["tags", { tags: ["db"] }, (config) => config.tags?.split(";").filter((tag) => !tag.startsWith("fed-")), ["db"]],
    ["a description", { description: "the new shop" }, (config) => config.description?.split("\n")[0], "the new shop"],
    ["no start with the node", { onBoot: false }, (config) => config.onboot === "1", false],
    ["no agent", { agent: false }, (config) => config.agent === "1", false],
    ["cloud-init", { cloudInit: { user: "debian" } }, (config) => [config.ciuser, config.ide2?.includes("cloudinit")], ["debian", true]],
  ])("takes %s in place, at once or by a restart, and then there is nothing to do", async (_what, change, look, expected) => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    const guest = [...scenario.a.guests.values()][0]!;
    const macs = scenario.outputs("web").macAddresses as string[];
    const changed = web(change);
    expect(await scenario.up(changed)).toEqual({ web: "update" });
    expect(look(guest.config)).toEqual(expected);
    expect(flaws("a")).toEqual([]);
    expect((scenario.outputs("web").macAddresses as string[])[0]).toBe(macs[0]);
    await expectRest(changed);
  });

  it("that shall not run is shut down, and started again when it shall", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    expect(await scenario.up(web({ running: false }))).toEqual({ web: "update" });
    expect(scenario.ours()).toEqual(["a/100 stopped"]);
    await expectRest(web({ running: false }));
    expect(await scenario.up(web())).toEqual({ web: "update" });
    expect(flaws("a")).toEqual([]);
  });

  it("follows its program to another cluster with its data, and the source goes", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    const before = [...scenario.a.volumes.values()][0]!.writes;
    scenario.prefer("b");
    const { web: planned } = await scenario.preview(web());
    expect(planned?.step).toBe("replace");
    expect(planned?.inputs.migration).toMatchObject({ from: expect.stringContaining("a/"), to: expect.stringContaining("b/") });
    expect(await scenario.up(web())).toEqual({ web: "replace" });
    expect(flaws("b")).toEqual([]);
    expect(scenario.a.volumes.size).toBe(0);
    expect(scenario.b.writesOf(100)?.slice(0, before.length)).toEqual(before);
    await expectRest(web());
  });

  it("is carried over while it runs where the store takes only what changed, and loses nothing it writes meanwhile", async () => {
    scenario = new ProgramScenario({ store: "pbs" });
    await scenario.up(web());
    scenario.prefer("b");
    const { web: planned } = await scenario.preview(web());
    expect(planned?.inputs.migration).toMatchObject({ method: expect.stringContaining("backed up while it runs") });
    expect(await scenario.up(web())).toEqual({ web: "replace" });
    // One write while the warm backup ran, one at the shutdown.
    expect(scenario.b.writesOf(100)?.filter((write) => write.startsWith("a/"))).toHaveLength(3);
    expect(flaws("b")).toEqual([]);
    expect(scenario.outputs("web").lastMove).toMatchObject({
      method: "backup-restore",
      result: "moved",
      from: { cluster: "a", vmid: 100 },
      to: { cluster: "b", vmid: 100 },
      stages: ["preparing", "warming", "stopping", "backing-up", "backed-up", "restoring", "verified", "finishing"].map((step) => ({
        step,
        at: expect.stringMatching(/^2026-01-01T/),
      })),
      upids: expect.arrayContaining([expect.stringContaining(":vzdump:100:"), expect.stringContaining(":qmrestore:100:")]),
    });
    await expectRest(web());
  });

  it("may change while it moves", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    scenario.prefer("b");
    const changed = web({
      cores: 4,
      onBoot: false,
      tags: ["db"],
      description: "",
      disks: [{ size: "9GiB" }, { size: "1GiB", storageClass: "slow" }],
    });
    expect(await scenario.up(changed)).toEqual({ web: "replace" });
    const guest = scenario.b.guests.get(100)!;
    expect(guest.config).toMatchObject({ cores: "4", tags: expect.stringContaining("db") });
    expect(guest.config.onboot).not.toBe("1");
    expect(flaws("b")).toEqual([]);
    await expectRest(changed);
  });

  it("that HA or an operator has moved inside its cluster stays there: no drift, no change", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    const guest = scenario.a.guests.get(100)!;
    guest.node = guest.node === "a1" ? "a2" : "a1";
    await expectRest(web());
    expect(await scenario.up(web())).toEqual({ web: "same" });
    expect(scenario.a.guests.get(100)?.node).toBe(guest.node);
  });

  it("that somebody has changed by hand is found by a refresh and mended by the next run", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    const guest = scenario.a.guests.get(100)!;
    guest.config.cores = "8";
    guest.config.tags += ";zz-by-hand";
    expect(await scenario.refresh()).toEqual({ web: [expect.stringContaining("cores is 8, declared 2"), expect.stringContaining("tags")] });
    expect(await scenario.up(web())).toEqual({ web: "update" });
    expect(guest.config).toMatchObject({ cores: "2" });
    await expectRest(web());
  });

  it("that was deleted by hand is created again after a refresh", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    scenario.a.guests.clear();
    scenario.a.volumes.clear();
    await scenario.refresh();
    expect(scenario.has("web")).toBe(false);
    expect(await scenario.up(web())).toEqual({ web: "create" });
    expect(flaws("a")).toEqual([]);
  });

  it("is refused a smaller disk before anything happens", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    const writes = scenario.world.calls.filter((call) => call.write).length;
    const smaller = web({
      disks: [
        { size: "4GiB", discard: true },
        { size: "1GiB", storageClass: "slow" },
      ],
    });
    await expect(scenario.preview(smaller)).rejects.toThrow(/only grow/);
    scenario.prefer("b");
    await expect(scenario.preview(smaller)).rejects.toThrow(/only grow/);
    expect(scenario.world.calls.filter((call) => call.write)).toHaveLength(writes);
  });

  it("is refused a disk that grows beyond its storage before anything happens", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    const sized = (size: string) =>
      web({
        disks: [
          { size, discard: true },
          { size: "2GiB", storageClass: "slow" },
        ],
      });
    await expect(scenario.preview(sized("900TiB"))).rejects.toThrow(/disks cannot grow: storage fast of a has .* available, .* needed/);
    await expect(scenario.preview(sized("9GiB"))).resolves.toMatchObject({ web: { step: "update" } });
  });

  it("is refused the loss of a disk before anything happens", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    const fewer = web({ disks: [{ size: "8GiB", discard: true }] });
    await expect(scenario.preview(fewer)).rejects.toThrow(/scsi1.*no longer declared/);
    scenario.prefer("b");
    await expect(scenario.preview(fewer)).rejects.toThrow(/scsi1.*no longer declared/);
  });

  it("is destroyed with all it had, and nothing else is", async () => {
    scenario = new ProgramScenario();
    scenario.a.addGuest({ vmid: 300, node: "a1", config: { name: "other" } }, { scsi0: { storage: "fast", sizeBytes: 1024 ** 3 } });
    await scenario.up(web());
    await scenario.destroy();
    expect([...scenario.a.guests.keys()]).toEqual([300]);
    expect([...scenario.a.volumes.keys()]).toEqual(["fast:vm-300-disk-0"]);
  });

  it("whose vmid belongs to somebody else by now is not destroyed", async () => {
    scenario = new ProgramScenario();
    await scenario.up(web());
    scenario.a.guests.clear();
    const other = scenario.a.addGuest({ vmid: 100, node: "a1", power: "running", config: { name: "other" } });
    await scenario.destroy();
    expect(scenario.a.guests.get(100)).toBe(other);
  });
});

describe("killed at any call, and run again,", () => {
  const GROWN = web({ cores: 4, disks: [{ size: "9GiB", discard: true }, { size: "1GiB" }, { size: "2GiB" }], tags: ["db"] });
  /** Where the VM is when all is done; `undefined`: nowhere. */
  const CASES: [string, () => Promise<void>, () => Promise<unknown>, string | undefined][] = [
    ["a create", async () => undefined, () => scenario.up(web()), "a"],
    ["a create with tokens that see only their pool", async () => undefined, () => scenario.up(web()), "a"],
    ["an update", async () => void (await scenario.up(web())), () => scenario.up(GROWN), "a"],
    [
      "a move",
      async () => {
        await scenario.up(web());
        scenario.prefer("b");
      },
      () => scenario.up(web()),
      "b",
    ],
    [
      "a warm move",
      async () => {
        await scenario.up(web());
        scenario.prefer("b");
      },
      () => scenario.up(web()),
      "b",
    ],
    [
      "a move with changes",
      async () => {
        await scenario.up(web());
        scenario.prefer("b");
      },
      () => scenario.up(GROWN),
      "b",
    ],
    ["a destroy", async () => void (await scenario.up(web())), () => scenario.destroy(), undefined],
  ];

  it.each(
    CASES.flatMap(([what, ...rest]) =>
      (["kill", "kill-after", "lose-reply", "refuse", "fail-task"] as Fault[]).map((fault) => [fault, what, ...rest] as const),
    ),
  )("(%s) %s ends the same", async (fault, what, prepare, act, where) => {
    const begin = async () => {
      scenario = new ProgramScenario({ store: what.includes("warm") ? "pbs" : "nfs", poolOnly: what.includes("only their pool") });
      await prepare();
      return scenario.world;
    };
    const check = () => (where === undefined ? scenario.ours() : flaws(where));
    expect(await sweepCalls(fault, begin, act, check)).toEqual([]);
  });
});

describe("a move that is killed at any call, and given up,", () => {
  it.each(
    (["nfs", "pbs"] as const).flatMap((store) => (["kill", "kill-after", "lose-reply"] as Fault[]).map((fault) => [fault, store] as const)),
  )("(%s, %s) ends where the program wants the VM now, with nothing left behind", async (fault, store) => {
    let runs = 0;
    const begin = async () => {
      scenario = new ProgramScenario({ store });
      await scenario.up(web());
      runs = 0;
      return scenario.world;
    };
    const act = async () => {
      runs += 1;
      scenario.prefer(runs === 1 ? "b" : "a");
      await scenario.up(web());
      // One that has all but arrived finishes there first.
      if (runs === 2) await scenario.up(web());
    };
    expect(await sweepCalls(fault, begin, act, () => flaws(runs === 1 ? "b" : "a"))).toEqual([]);
  });
});
