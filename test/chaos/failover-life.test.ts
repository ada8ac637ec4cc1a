/** A VM whose cluster is lost and comes back, and the same with the process killed at every call. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseDescription } from "../../src/migration";
import { systemClock } from "../../src/proxmox";
import { sweepCalls } from "../support/call-sweep";
import type { Fault } from "../support/fake-world";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const WEB: Declared[] = [
  { name: "web", kind: "vm", args: { cores: 2, memory: "2GiB", disks: [{ size: "8GiB" }], networks: [{ network: "lan" }], agent: true } },
];

let scenario: ProgramScenario;
beforeEach(() => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

const declared = (id: "a" | "b") => scenario.federation.clusters.find((cluster) => cluster.id === id)!;

/** The VM on a, backed up; then a is lost. */
async function loseA(options: { poolOnly?: boolean; vmidTaken?: boolean } = {}): Promise<void> {
  scenario = new ProgramScenario(options);
  await scenario.up(WEB);
  const { a, b } = scenario;
  const { node } = [...a.guests.values()][0]!;
  await a.tasks.wait((await a.backup.start(node, { vmid: 100, storage: "bk", mode: "snapshot" }))!, {});
  if (options.vmidTaken) b.addGuest({ vmid: 100, node: "b2", config: { name: "other", memory: "512" } });
  a.guests.get(100)!.power = "stopped";
  scenario.prefer("b");
  Object.assign(declared("a"), { status: "lost", fenced: true });
}

/** As when somebody switches it on again: its guests start with their node. */
function bringBackA(power: "running" | "stopped"): void {
  Object.assign(declared("a"), { status: "draining", fenced: undefined });
  scenario.a.guests.get(100)!.power = power;
}

const callsToA = () => scenario.world.calls.filter(({ cluster }) => cluster === "a").length;
const markOf = (id: "a" | "b", vmid: number) => parseDescription(scenario[id].guests.get(vmid)?.config.description).mark;

/** What is wrong when the VM runs on b with its data, and its old copy stands on a; empty = all is well. */
function flaws(): string[] {
  const { a, b } = scenario;
  // The archive it was restored from is kept: it is a backup like any other.
  const found = scenario.litter().filter((flaw) => flaw !== "1 archives");
  const here = [...b.guests.values()].filter((guest) => parseDescription(guest.config.description).mark?.federation === "fed");
  if (here.length !== 1) found.push(`${here.length} guests of ours on b`);
  const [guest] = here;
  const mark = guest && markOf("b", guest.vmid);
  if (guest?.power !== "running" || mark?.phase !== "settled" || mark.generation < 2)
    found.push(`on b: ${guest?.power} ${JSON.stringify(mark)}`);
  if (mark?.failover?.from.vmid !== 100) found.push("no note of the old copy");
  const before = a.writesOf(100) ?? ["?"];
  if (!b.writesOf(guest?.vmid ?? 0)?.includes(before[0]!)) found.push("its data is not there");
  if (Object.keys(guest?.config ?? {}).some((key) => key.startsWith("unused"))) found.push("it holds an unused volume");
  const empty = [...b.guests.values()].filter(({ config }) => config.name === undefined);
  if (empty.length > 0) found.push(`left on b: ${empty.map(({ vmid }) => vmid).join(", ")}`);
  return found;
}

describe("a VM whose cluster is lost", () => {
  it.each([{}, { vmidTaken: true }, { poolOnly: true }])(
    "is restored from its newest backup, without a call to the lost cluster (%o)",
    async (options) => {
      await loseA(options);
      const before = callsToA();
      const { step, inputs } = (await scenario.preview(WEB)).web!;
      expect(step).toBe("replace");
      expect(inputs.failover).toMatchObject({ from: "a (vm 100), lost and fenced", data: expect.stringContaining("2026-01-01T") });
      expect(await scenario.up(WEB)).toEqual({ web: "replace" });
      expect(callsToA()).toBe(before);
      expect(flaws()).toEqual([]);
      expect((await scenario.preview(WEB)).web?.step).toBe("same");
      expect(await scenario.refresh()).toEqual({});
    },
  );

  it("is not taken for one of another mark that had its vmid", async () => {
    await loseA();
    const [archive] = scenario.store.archives;
    archive!.config.description = archive!.config.description!.replace('"name":"web"', '"name":"db"');
    await expect(scenario.up(WEB)).rejects.toThrow(/no backup with its mark is found on bk of b/);
    expect(scenario.b.guests.size).toBe(0);
  });

  it("is not restored from an older backup while its newest cannot be read, and not held up by another guest's", async () => {
    await loseA();
    const [archive] = scenario.store.archives;
    const newer = { ...archive!, path: `${archive!.path}-unfinished`, createdAtSeconds: archive!.createdAtSeconds + 60 };
    scenario.store.archives.push(newer);
    // One session reads it once, and the newest first.
    let looks = 0;
    scenario.world.fault = ({ name }) => (name === "backup.extractConfig" && looks++ === 0 ? "refuse" : undefined);
    await expect(scenario.up(WEB)).rejects.toThrow(/backup \S+ of 2026-\S+ cannot be read on b: .*refused by the test.*by hand/s);
    expect(scenario.b.guests.size).toBe(0);
    looks = 0;
    newer.vmid = 999;
    await scenario.up(WEB);
    expect(scenario.ours()).toContain("b/100 running");
  });

  it("is refused when its backup lacks a declared disk", async () => {
    await loseA();
    const more: Declared[] = [{ ...WEB[0]!, args: { ...WEB[0]!.args, disks: [{ size: "8GiB" }, { size: "1GiB" }] } }];
    await expect(scenario.up(more)).rejects.toThrow(/does not hold scsi1: the disk would come back empty/);
  });

  it("is restored under another vmid when a killed restore has left a locked guest, and the command for that is named", async () => {
    await loseA();
    scenario.b.storages.bk!.type = "pbs";
    const isRestore = (name: string) => name === "qemu.create" && scenario.b.guests.has(100);
    scenario.world.fault = ({ name, cluster }) => (cluster === "b" && isRestore(name) ? "kill-task" : undefined);
    await expect(scenario.up(WEB)).rejects.toThrow();
    scenario.world.fault = () => undefined;
    expect(scenario.b.guests.get(100)?.config).toEqual({ memory: "128", lock: "create" });
    expect(await scenario.up(WEB)).toEqual({ web: "replace" });
    expect(scenario.world.reports).toContainEqual(
      expect.stringMatching(/^warning: web: vm 100 on b\/.*"qm unlock 100 && qm destroy 100 && pvesm free fast:vm-100-disk-0" on node/),
    );
    expect(scenario.b.guests.get(100)?.config).toEqual({ memory: "128", lock: "create" });
    expect(scenario.b.guests.get(101)).toMatchObject({ power: "running", config: { name: "web" } });
  });

  it("that is removed from the program meanwhile is refused: nothing stands in its place", async () => {
    await loseA();
    await expect(scenario.destroy()).rejects.toThrow(/cannot be deleted: its cluster a is declared lost/);
    expect(scenario.has("web")).toBe(true);
  });
});

describe("HA and replication of a VM whose cluster is lost", () => {
  const AT_B1: Declared[] = [{ ...WEB[0]!, args: { ...WEB[0]!.args, pin: { cluster: "b", node: "b1" } } }];

  /** Seen by one more update before the loss. */
  async function loseMember(options: { rulesOn?: "b"; zfs?: boolean; blindToken?: boolean } = {}): Promise<void> {
    scenario = new ProgramScenario();
    const { a, b } = scenario;
    await scenario.up(WEB);
    a.haResources.set(100, { vmid: 100, state: "started", maxRestart: 2 });
    a.haRules.push({ rule: "shop", type: "node-affinity", resources: ["vm:100"] });
    a.replicationJobs.push({ vmid: 100, job: 0, targetNode: "a2", schedule: "*/15", disabled: false });
    if (options.rulesOn === "b") b.haRules.push({ rule: "shop", type: "node-affinity", resources: [] });
    for (const each of [a, b]) if (options.zfs) each.storages.fast!.type = "zfspool";
    scenario.federation.migration.paths = [
      { sourceCluster: "a", targetCluster: "b", methods: ["backup-restore"], nodeNames: { a1: "b1", a2: "b2" } },
    ] as unknown as typeof scenario.federation.migration.paths;
    await scenario.up(WEB);
    const seeing = { "Sys.Audit": true, "Sys.Console": true };
    if (!options.blindToken) b.permissions = { ...b.permissions, "/": { ...b.permissions["/"], ...seeing } };
    if (!options.blindToken) b.permissions = { ...b.permissions, "/vms": { ...b.permissions["/vms"], "VM.Replicate": true } };
    await loseBackedUp();
  }

  async function loseBackedUp(): Promise<void> {
    const { a } = scenario;
    const { node } = a.guests.get(100)!;
    await a.tasks.wait((await a.backup.start(node, { vmid: 100, storage: "bk", mode: "snapshot" }))!, {});
    a.guests.get(100)!.power = "stopped";
    scenario.prefer("b");
    Object.assign(declared("a"), { status: "lost", fenced: true });
  }

  it("are set up again at the target", async () => {
    await loseMember({ rulesOn: "b", zfs: true });
    const { inputs } = (await scenario.preview(AT_B1)).web!;
    expect((inputs.failover as { membership: string }).membership).toBe("HA (started) is set up again; replication to b2 is set up again");
    const { b } = scenario;
    await scenario.up(AT_B1);
    expect(b.haResources.get(100)).toMatchObject({ state: "started", maxRestart: 2 });
    expect(b.haRules).toMatchObject([{ rule: "shop", resources: ["vm:100"] }]);
    expect(b.replicationJobs).toMatchObject([{ vmid: 100, job: 0, targetNode: "b2" }]);
    expect(flaws()).toEqual([]);
    expect((await scenario.preview(AT_B1)).web?.step).toBe("same");
  });

  it.each([
    ["have no counterpart", {}, /^HA \(started\) is not set up again: its HA group or rule shop has no counterpart/],
    [
      "are not for the target's token",
      { rulesOn: "b", zfs: true, blindToken: true } as const,
      /^HA .* the token of b lacks Sys.Audit on \/ .*VM.Replicate/,
    ],
  ])("stop nothing where they %s, and the preview says so", async (_why, options, said) => {
    await loseMember(options);
    const { inputs } = (await scenario.preview(AT_B1)).web!;
    expect((inputs.failover as { membership: string }).membership).toMatch(said);
    await scenario.up(AT_B1);
    expect([...scenario.b.haResources]).toEqual([]);
    expect(flaws()).toEqual([]);
  });

  it.each<Fault>(["kill", "kill-after", "lose-reply", "refuse"])(
    "(%s at any call) are there once, after one more update",
    async (fault) => {
      const begin = async () => {
        await loseMember({ rulesOn: "b", zfs: true });
        return scenario.world;
      };
      const check = () => {
        const { haResources, haRules, replicationJobs } = scenario.b;
        const found = [...haResources.values()].length + haRules.flatMap(({ resources }) => resources).length + replicationJobs.length;
        return [...flaws(), ...(found === 3 ? [] : [`${found} entries`])];
      };
      expect(await sweepCalls(fault, begin, () => scenario.up(AT_B1), check)).toEqual([]);
    },
  );
});

describe("its old copy, when the cluster is back,", () => {
  it("is fenced and kept when it stands still", async () => {
    await loseA();
    await scenario.up(WEB);
    bringBackA("stopped");
    const { step, inputs } = (await scenario.preview(WEB)).web!;
    expect([step, inputs.cleanup]).toEqual(["update", expect.stringContaining("the outdated vm 100 on a is fenced and kept")]);
    await scenario.up(WEB);
    expect(scenario.a.guests.get(100)?.config).toMatchObject({ template: "1", onboot: "0" });
    expect(markOf("a", 100)).toMatchObject({ phase: "retired", successor: { cluster: "b" }, outdatedSince: expect.any(String) });
    expect(flaws()).toEqual([]);
    expect((await scenario.preview(WEB)).web?.step).toBe("same");
    await expect(scenario.destroy()).rejects.toThrow(/its old copy, vm 100 on a, holds what was written after/);
    expect(scenario.a.guests.has(100)).toBe(true);
  });

  it("is an error when it runs, unless it may be stopped", async () => {
    await loseA();
    await scenario.up(WEB);
    bringBackA("running");
    await expect(scenario.preview(WEB)).rejects.toThrow(/web RUNS TWICE/);
    await expect(scenario.up(WEB)).rejects.toThrow(/web RUNS TWICE/);
    expect(scenario.a.guests.get(100)?.power).toBe("running");
    declared("a").returned = "stop-old-copies";
    await scenario.up(WEB);
    expect(scenario.a.guests.get(100)?.power).toBe("stopped");
    expect(scenario.ours()).toEqual(["a/100 stopped", "b/100 running"]);
  });

  it("is known by its note also when it had moved on since the backup", async () => {
    await loseA();
    const old = scenario.a.guests.get(100)!;
    old.config.description = old.config.description!.replace('"generation":1', '"generation":3');
    await scenario.up(WEB);
    bringBackA("running");
    await expect(scenario.up(WEB)).rejects.toThrow(/web RUNS TWICE: .*vm 100 on a, which is back/);
    declared("a").returned = "stop-old-copies";
    await scenario.up(WEB);
    expect(scenario.ours()).toEqual(["a/100 stopped", "b/100 running"]);
  });

  it.each(["running", "stopped"] as const)("is removed on request, unless somebody uses it again (%s)", async (power) => {
    await loseA();
    await scenario.up(WEB);
    bringBackA("stopped");
    await scenario.up(WEB);
    scenario.config.set("proxmox-federation:removeFailedOverCopies", "true");
    const old = scenario.a.guests.get(100)!;
    delete old.config.template;
    old.power = power;
    await expect(scenario.up(WEB)).rejects.toThrow(/vm 100 on a.*(?:started it again|started by hand).*may hold newer data/s);
    expect(scenario.a.guests.get(100)?.power).toBe(power);
    Object.assign(old, { power: "stopped" });
    old.config.template = "1";
    await scenario.up(WEB);
    expect(scenario.ours()).toEqual(["b/100 running"]);
  });

  it("is left alone when nothing proves that it is the older one", async () => {
    await loseA();
    await scenario.up(WEB);
    bringBackA("stopped");
    const guest = scenario.b.guests.get(100)!;
    guest.config.description = guest.config.description!.replace('"vmid":100', '"vmid":101');
    await expect(scenario.preview(WEB)).rejects.toThrow(/Two guests carry the mark of web/);
    expect(scenario.a.guests.get(100)?.config.template).toBeUndefined();
  });
});

describe("with a fault at any call, and run again,", () => {
  const faults: Fault[] = ["kill", "kill-after", "lose-reply", "refuse", "fail-task", "kill-task"];
  const cases: [string, () => Promise<void>][] = [
    ["a failover", () => loseA()],
    ["a failover to another vmid", () => loseA({ vmidTaken: true })],
    [
      "the fencing of the old copy",
      async () => {
        await loseA();
        await scenario.up(WEB);
        bringBackA("stopped");
      },
    ],
  ];

  it.each(cases.flatMap(([what, prepare]) => faults.map((fault) => [fault, what, prepare] as const)))(
    "(%s) %s ends the same",
    async (fault, _what, prepare) => {
      const begin = async () => {
        await prepare();
        return scenario.world;
      };
      expect(await sweepCalls(fault, begin, () => scenario.up(WEB), flaws)).toEqual([]);
    },
  );
});
