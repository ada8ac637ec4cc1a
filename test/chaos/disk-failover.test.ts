/** A disk whose cluster is lost and comes back, and the same with the process killed at every call. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseDescription } from "../../src/migration";
import { systemClock } from "../../src/proxmox";
import { sweepCalls } from "../support/call-sweep";
import type { Fault } from "../support/fake-world";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const DATA: Declared[] = [{ name: "data", kind: "disk", args: { size: "2GiB" } }];
const ATTACHED: Declared[] = [
  { name: "web", kind: "vm", args: { cores: 2, memory: "2GiB", disks: [{ size: "8GiB" }], networks: [{ network: "lan" }] } },
  { name: "data", kind: "disk", args: { size: "2GiB" }, attachTo: "web" },
];
const CHOICE = "proxmox-federation:diskBackups";
const REMOVAL = "proxmox-federation:removeFailedOverCopies";

let scenario: ProgramScenario;
beforeEach(() => {
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

const declared = (id: "a" | "b") => scenario.federation.clusters.find((cluster) => cluster.id === id)!;
const oursOn = (id: "a" | "b", kind: "vm" | "disk") =>
  [...scenario[id].guests.values()].flatMap((guest) => {
    const { mark } = parseDescription(guest.config.description);
    return mark?.kind === kind ? [{ guest, mark }] : [];
  });
const ownerOn = (id: "a" | "b") => oursOn(id, "disk")[0]!;
const callsToA = () => scenario.world.calls.filter(({ cluster }) => cluster === "a").length;

/** What a guest has written while it had the disk. */
function fill(): void {
  scenario.a.volumes.get(scenario.outputs("data").volid as string)!.writes.push("orders");
}

async function backUpAll(): Promise<void> {
  for (const { vmid, node } of [...scenario.a.guests.values()])
    await scenario.a.tasks.wait((await scenario.a.backup.start(node, { vmid, storage: "bk", mode: "snapshot" }))!, {});
}

function loseA(): void {
  for (const guest of scenario.a.guests.values()) guest.power = "stopped";
  scenario.prefer("b");
  Object.assign(declared("a"), { status: "lost", fenced: true });
}

const bringBackA = () => Object.assign(declared("a"), { status: "draining", fenced: undefined });

async function begin(program: Declared[], options: { backedUp?: boolean; choice?: string; vmidTaken?: boolean } = {}): Promise<void> {
  scenario = new ProgramScenario();
  await scenario.up(program);
  fill();
  if (options.backedUp !== false) await backUpAll();
  if (options.choice !== undefined) scenario.config.set(CHOICE, options.choice);
  if (options.vmidTaken) scenario.b.addGuest({ vmid: ownerOn("a").guest.vmid, node: "b2", config: { name: "other", memory: "512" } });
  loseA();
}

/** What is wrong when the disk is on b with its data, fenced, and its old copy stands on a; empty = all is well. */
function flaws(): string[] {
  const found = scenario.litter().filter((flaw) => !/^\d archives$/.test(flaw));
  const here = oursOn("b", "disk");
  if (here.length !== 1) return [...found, `${here.length} owners of ours on b`];
  const [{ guest, mark }] = here as [(typeof here)[0]];
  if (guest.power !== "stopped" || mark.phase !== "settled" || mark.generation < 2)
    found.push(`on b: ${guest.power} ${JSON.stringify(mark)}`);
  if (guest.config.template !== "1" || guest.config.protection !== "1") found.push("the owner is not fenced");
  const old = ownerOn("a").guest;
  if (mark.failover?.from.vmid !== old.vmid) found.push("no note of the old copy");
  if (!scenario.b.writesOf(guest.vmid)?.includes("orders")) found.push("its data is not there");
  if (Object.keys(guest.config).some((key) => key.startsWith("unused"))) found.push("it holds an unused volume");
  const empty = [...scenario.b.guests.values()].filter(({ config }) => config.name === undefined);
  if (empty.length > 0) found.push(`left on b: ${empty.map(({ vmid }) => vmid).join(", ")}`);
  return found;
}

function attachmentFlaws(): string[] {
  const found = flaws();
  const [web] = oursOn("b", "vm");
  const owner = oursOn("b", "disk")[0];
  if (!web || !owner) return [...found, "VM or disk is missing on b"];
  const line = Object.entries(web.guest.config).find(([, value]) => value.startsWith(owner.guest.config.scsi0!.split(",")[0]!));
  if (line?.[0] !== "scsi16" || !line[1].includes("backup=0")) found.push(`attached as ${line}`);
  if (web.guest.power !== "running") found.push(`the VM is ${web.guest.power}`);
  return found;
}

describe("a disk whose cluster is lost", () => {
  it.each([{}, { vmidTaken: true }])("is restored from its backup, without a call to the lost cluster (%o)", async (options) => {
    await begin(DATA, options);
    const before = callsToA();
    const { step, inputs } = (await scenario.preview(DATA)).data!;
    expect(step).toBe("replace");
    expect(inputs.failover).toMatchObject({
      from: `a (vm ${ownerOn("a").guest.vmid}), lost and fenced`,
      data: expect.stringMatching(/^as of 2026-01-01T.*is not in it$/),
    });
    expect(await scenario.up(DATA)).toEqual({ data: "replace" });
    expect(callsToA()).toBe(before);
    expect(flaws()).toEqual([]);
    expect((await scenario.preview(DATA)).data?.step).toBe("same");
    expect(await scenario.refresh()).toEqual({});
  });

  it("comes back with the size it is declared to have", async () => {
    await begin(DATA);
    const more: Declared[] = [{ ...DATA[0]!, args: { size: "3GiB" } }];
    await scenario.up(more);
    expect(scenario.outputs("data").sizeBytes).toBe(3 * 1024 ** 3);
    expect(flaws()).toEqual([]);
  });

  it.each([
    ["it was never backed up", () => begin(DATA, { backedUp: false }), /Disk data was on a.*no backup with its mark is found/],
    [
      "its cluster is not fenced",
      async () => {
        await begin(DATA);
        declared("a").fenced = false;
      },
      /Disk data was on a.*not declared fenced/,
    ],
    [
      "its newest backup was made while a VM had it",
      () => begin(ATTACHED),
      /Disk data.*may be torn: it was attached to vm 100 on a.*No other one is known to be consistent/,
    ],
    [
      "a consistent backup is asked for and there is none",
      () => begin(ATTACHED, { choice: "consistent" }),
      /none of its backups is known to be/,
    ],
    [
      "the choice of backups is no choice",
      () => begin(ATTACHED, { choice: "any" }),
      /diskBackups is "any": set it to newest or consistent/,
    ],
  ])("is refused when %s, and nothing empty takes its place", async (_why, prepare, reason) => {
    await prepare();
    await expect(scenario.up(scenario.has("web") ? ATTACHED : DATA)).rejects.toThrow(reason);
    expect(oursOn("b", "disk")).toEqual([]);
  });

  it("comes back attached to its VM, from a backup that may be torn only when that is accepted", async () => {
    await begin(ATTACHED, { choice: "newest" });
    const { inputs } = (await scenario.preview(ATTACHED)).data!;
    expect((inputs.failover as { data: string }).data).toMatch(/may be torn: it was attached to vm 100 on a/);
    expect(await scenario.up(ATTACHED)).toEqual({ web: "replace", data: "replace" });
    expect(attachmentFlaws()).toEqual([]);
    expect((await scenario.preview(ATTACHED)).data?.step).toBe("same");
  });

  it("comes back from its last consistent backup when that is asked for", async () => {
    scenario = new ProgramScenario();
    await scenario.up(DATA);
    fill();
    await backUpAll();
    await scenario.up(ATTACHED);
    await backUpAll();
    loseA();
    await expect(scenario.up(ATTACHED)).rejects.toThrow(
      /To go back to .*, which is consistent: pulumi config set .*diskBackups consistent/,
    );
    scenario.config.set(CHOICE, "consistent");
    await scenario.up(ATTACHED);
    const first = scenario.store.archives.find(({ vmid }) => vmid === ownerOn("a").guest.vmid)!;
    expect(ownerOn("b").mark.failover?.archive).toBe(`bk:${first.path}`);
    expect(attachmentFlaws()).toEqual([]);
  });
});

describe("its old copy, when the cluster is back,", () => {
  it("is kept until the stack gives it up", async () => {
    await begin(ATTACHED, { choice: "newest" });
    await scenario.up(ATTACHED);
    bringBackA();
    expect((await scenario.preview(ATTACHED)).data?.inputs.cleanup).toMatch(/the outdated vm \d+ on a is fenced and kept/);
    await scenario.up(ATTACHED);
    expect(ownerOn("a").mark).toMatchObject({ phase: "retired", successor: { cluster: "b" }, outdatedSince: expect.any(String) });
    expect((await scenario.preview(ATTACHED)).data?.step).toBe("same");
    await expect(scenario.up(ATTACHED.slice(0, 1))).rejects.toThrow(/data is not destroyed: its old copy/);
    expect(attachmentFlaws()).toEqual([]);
    scenario.config.set(REMOVAL, "true");
    await scenario.up(ATTACHED);
    expect(oursOn("a", "disk")).toEqual([]);
    expect(oursOn("b", "disk")).toHaveLength(1);
    expect([...scenario.world.violations]).toEqual([]);
  });

  it("is not removed from under a guest that has it", async () => {
    await begin(DATA);
    await scenario.up(DATA);
    bringBackA();
    await scenario.up(DATA);
    const [volid] = ownerOn("a").guest.config.scsi0!.split(",");
    scenario.a.addGuest({ vmid: 900, node: "a1", config: { name: "rescue", memory: "512", scsi3: `${volid},backup=0` } });
    scenario.config.set(REMOVAL, "true");
    await expect(scenario.up(DATA)).rejects.toThrow(/outdated disk .* is kept: vm 900 on a has it as scsi3/);
    expect(oursOn("a", "disk")).toHaveLength(1);
  });
});

describe("with a fault at any call, and run again,", () => {
  const faults: Fault[] = ["kill", "kill-after", "lose-reply", "refuse", "fail-task", "kill-task"];
  const fencing = async () => {
    await begin(DATA);
    await scenario.up(DATA);
    bringBackA();
  };
  const cases: [string, () => Promise<void>, Declared[], () => string[]][] = [
    ["the failover of a disk", () => begin(DATA), DATA, flaws],
    ["its failover to another vmid", () => begin(DATA, { vmidTaken: true }), DATA, flaws],
    ["the failover of a VM and its disk", () => begin(ATTACHED, { choice: "newest" }), ATTACHED, attachmentFlaws],
    ["the fencing of the old copy", fencing, DATA, flaws],
  ];

  it.each(cases.flatMap(([what, prepare, program, check]) => faults.map((fault) => [fault, what, prepare, program, check] as const)))(
    "(%s) %s ends the same",
    async (fault, _what, prepare, program, check) => {
      const start = async () => {
        await prepare();
        return scenario.world;
      };
      expect(await sweepCalls(fault, start, () => scenario.up(program), check)).toEqual([]);
    },
  );
});
