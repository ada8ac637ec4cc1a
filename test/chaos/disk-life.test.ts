/** A disk with a life of its own, beside the VM it is attached to; and that life interrupted at every call. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseDescription } from "../../src/migration";
import { systemClock } from "../../src/proxmox";
import { sweepCalls } from "../support/call-sweep";
import type { Fault } from "../support/fake-world";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const GIB = 1024 ** 3;
const VM: Declared = { name: "web", kind: "vm", args: { cores: 1, memory: "1GiB", disks: [{ size: "2GiB" }] } };
const disk = (args: Declared["args"] = {}): Declared => ({
  name: "data",
  kind: "disk",
  args: { size: "4GiB", discard: true, ...args },
  attachTo: "web",
});

let scenario: ProgramScenario;
beforeEach(() => {
  scenario = new ProgramScenario();
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

const clusterOf = (id: string) => (id === "a" ? scenario.a : scenario.b);

/** Guests of ours of that kind on a cluster. */
function guestsOf(id: string, kind: "vm" | "disk") {
  return [...clusterOf(id).guests.values()].filter((guest) => parseDescription(guest.config.description).mark?.kind === kind);
}

/** What is wrong when everything is on that cluster, the disk attached or not. */
function flaws(on: string, attached = true): string[] {
  const found = scenario.litter();
  const say = (ok: boolean, flaw: string) => {
    if (!ok) found.push(flaw);
  };
  const [vm] = guestsOf(on, "vm");
  const [owner] = guestsOf(on, "disk");
  say(scenario.ours().length === 2 && vm?.power === "running" && owner?.power === "stopped", `guests: ${scenario.ours().join(", ")}`);
  say(owner?.config.template === "1" && owner.config.protection === "1", "the owner is not fenced and protected");
  const volid = owner?.config.scsi0?.split(",")[0];
  say(volid?.includes(`vm-${owner?.vmid}-`) === true, `the owner holds ${volid}`);
  const line = vm?.config.scsi16;
  if (attached) say(line?.startsWith(`${volid},`) === true && line.includes("backup=0"), `scsi16 is ${line}`);
  else say(line === undefined, `scsi16 is ${line}`);
  return found;
}

async function expectRest(program: Declared[]): Promise<void> {
  const same = Object.fromEntries(program.map((declared) => [declared.name, "same"]));
  const steps = async () => Object.fromEntries(Object.entries(await scenario.preview(program)).map(([name, { step }]) => [name, step]));
  expect(await steps()).toEqual(same);
  expect(await scenario.refresh()).toEqual({});
  expect(await steps()).toEqual(same);
}

describe("a disk", () => {
  it("is created with an owner of its own, attached, and then there is nothing to do", async () => {
    expect(await scenario.up([VM, disk()])).toEqual({ web: "create", data: "create" });
    expect(flaws("a")).toEqual([]);
    expect(scenario.outputs("data")).toMatchObject({ sizeBytes: 4 * GIB, slot: "scsi16" });
    await expectRest([VM, disk()]);
  });

  it("that belongs to no VM is there all the same", async () => {
    await scenario.up([VM, { ...disk(), attachTo: undefined }]);
    expect(flaws("a", false)).toEqual([]);
  });

  it("grows through the VM that uses it", async () => {
    await scenario.up([VM, disk()]);
    expect(await scenario.up([VM, disk({ size: "6GiB" })])).toMatchObject({ data: "update" });
    expect(guestsOf("a", "vm")[0]?.config.scsi16).toContain("size=6G");
    expect(scenario.outputs("data").sizeBytes).toBe(6 * GIB);
    expect(flaws("a")).toEqual([]);
    await expectRest([VM, disk({ size: "6GiB" })]);
  });

  it("never shrinks, and that is said in the preview", async () => {
    await scenario.up([VM, disk()]);
    await expect(scenario.preview([VM, disk({ size: "1GiB" })])).rejects.toThrow(/only grow/);
  });

  it("is taken off its VM, which goes on, and keeps its data", async () => {
    await scenario.up([VM, disk()]);
    const loose: Declared = { name: "data", kind: "disk", args: disk().args };
    expect(await scenario.up([VM, loose])).toMatchObject({ data: "update" });
    expect(flaws("a", false)).toEqual([]);
    expect(scenario.a.volumes.has(scenario.outputs("data").volid as string)).toBe(true);
    await expectRest([VM, loose]);
  });

  it("follows its VM to another cluster with all that was written, and nothing stays behind", async () => {
    await scenario.up([VM, disk()]);
    scenario.prefer("b");
    expect(await scenario.up([VM, disk()])).toEqual({ web: "replace", data: "replace" });
    expect(flaws("b")).toEqual([]);
    const written = scenario.b.volumes.get(scenario.outputs("data").volid as string)?.writes ?? [];
    // The VM's last words on a.
    expect(written.filter((write) => write.startsWith("a/"))).toHaveLength(1);
    expect(scenario.a.volumes.size).toBe(0);
    await expectRest([VM, disk()]);
  });

  it("goes there, back and there again although the first source could not be removed at once", async () => {
    const loose: Declared = { name: "data", kind: "disk", args: disk().args };
    await scenario.up([loose]);
    scenario.prefer("b");
    scenario.world.fault = (call) => (call.name === "qemu.delete" ? "kill" : undefined);
    await expect(scenario.up([loose])).rejects.toThrow(/killed/);
    scenario.world.fault = (call) => (call.name === "qemu.delete" ? "refuse" : undefined);
    scenario.world.revive(2_000);
    scenario.prefer("a");
    await expect(scenario.up([loose])).rejects.toThrow();
    scenario.world.fault = () => undefined;
    scenario.prefer("b");
    await scenario.up([loose]);
    expect(scenario.litter()).toEqual([]);
    expect(scenario.ours()).toEqual([expect.stringMatching(/^b\/\d+ stopped$/)]);
  });

  it("that has all but arrived goes back where it was, if that is wanted now", async () => {
    const loose: Declared = { name: "data", kind: "disk", args: disk().args };
    await scenario.up([loose]);
    scenario.prefer("b");
    let settled = false;
    scenario.world.fault = (call) => {
      settled ||= guestsOf("b", "disk").some((guest) => parseDescription(guest.config.description).mark?.phase === "settled");
      return settled && call.write ? "kill" : undefined;
    };
    await expect(scenario.up([loose])).rejects.toThrow(/killed/);
    scenario.world.fault = () => undefined;
    scenario.world.revive(2_000);
    scenario.prefer("a");
    expect((await scenario.preview([loose])).data).toMatchObject({
      step: "update",
      inputs: { recovery: expect.stringContaining("rolled back") },
    });
    await scenario.up([loose]);
    expect(scenario.litter()).toEqual([]);
    expect(scenario.ours()).toEqual([expect.stringMatching(/^a\/\d+ stopped$/)]);
    await expectRest([loose]);
  });

  it("outlives its VM", async () => {
    await scenario.up([VM, disk()]);
    const volid = scenario.outputs("data").volid as string;
    await scenario.up([{ name: "data", kind: "disk", args: disk().args }]);
    expect(scenario.ours()).toHaveLength(1);
    expect(scenario.a.volumes.has(volid)).toBe(true);
    expect(scenario.litter()).toEqual([]);
  });

  it("goes with its owner when it is destroyed, after its VM has let go of it", async () => {
    await scenario.up([VM, disk()]);
    await scenario.up([VM]);
    expect(guestsOf("a", "vm")[0]?.config).not.toHaveProperty("scsi16");
    expect(scenario.ours()).toHaveLength(1);
    expect(scenario.litter()).toEqual([]);
  });

  it("that somebody else's guest uses is not destroyed", async () => {
    await scenario.up([VM, disk()]);
    const volid = scenario.outputs("data").volid as string;
    scenario.a.addGuest({ vmid: 900, node: "a1", config: { name: "other", scsi3: `${volid},size=4G` } });
    await expect(scenario.up([VM])).rejects.toThrow(/vm 900.*scsi3.*not ours/);
    expect(scenario.a.volumes.has(volid)).toBe(true);
  });

  it("that a guest uses whose volume's name only begins the same is destroyed", async () => {
    await scenario.up([VM, disk()]);
    const volid = scenario.outputs("data").volid as string;
    scenario.a.volumes.set(`${volid}0`, { volid: `${volid}0`, vmid: 900, sizeBytes: GIB, writes: [] });
    scenario.a.addGuest({ vmid: 900, node: "a1", config: { name: "other", scsi3: `${volid}0,size=1G` } });
    await scenario.up([VM]);
    expect([...scenario.a.volumes.keys()].filter((other) => other === volid || other === `${volid}0`)).toEqual([`${volid}0`]);
  });

  it("is not moved while a VM that stays runs on it", async () => {
    await scenario.up([VM, disk()]);
    const loose: Declared = { name: "data", kind: "disk", args: { ...disk().args, pin: { cluster: "b" } } };
    scenario.prefer("b");
    // The VM stays where it is: only the disk is in this program's plan.
    const stays: Declared = { ...VM, args: { ...VM.args, pin: { cluster: "a" } } };
    scenario.federation.clusters.find((each) => each.id === "a")!.status = "active";
    const outcome = await scenario.up([stays, loose]).catch((error: Error) => error.message);
    expect(scenario.world.violations.size).toBe(0);
    if (typeof outcome === "string") expect(outcome).toMatch(/runs on it/);
  });
});

describe("interrupted at any call, and run again,", () => {
  const CASES: [string, Declared[] | undefined, () => Promise<unknown>, () => string[]][] = [
    ["a create", undefined, () => scenario.up([VM, disk()]), () => flaws("a")],
    ["growing", [VM, disk()], () => scenario.up([VM, disk({ size: "6GiB" })]), () => flaws("a")],
    ["taking off", [VM, disk()], () => scenario.up([VM, { ...disk(), attachTo: undefined }]), () => flaws("a", false)],
    [
      "a move of both",
      [VM, disk()],
      () => {
        scenario.prefer("b");
        return scenario.up([VM, disk()]);
      },
      () => flaws("b"),
    ],
    ["the end of the disk", [VM, disk()], () => scenario.up([VM]), () => [...scenario.litter(), ...scenario.ours().slice(1)]],
    ["the end of both", [VM, disk()], () => scenario.destroy(), () => [...scenario.litter(), ...scenario.ours()]],
  ];
  it.each(
    CASES.flatMap(([what, ...rest]) =>
      (["kill", "kill-after", "lose-reply", "refuse", "fail-task"] as Fault[]).map((fault) => [fault, what, ...rest] as const),
    ),
  )("(%s) %s ends the same", async (fault, _what, prepared, act, check) => {
    const begin = async () => {
      scenario = new ProgramScenario();
      if (prepared) await scenario.up(prepared);
      return scenario.world;
    };
    expect(await sweepCalls(fault, begin, act, check)).toEqual([]);
  });
});
