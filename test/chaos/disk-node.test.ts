/** A disk that nobody uses and whose node is changed; and what is refused before anything happens. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseDescription } from "../../src/migration";
import { systemClock } from "../../src/proxmox";
import { sweepCalls } from "../support/call-sweep";
import type { Fault } from "../support/fake-world";
import { type Declared, ProgramScenario } from "../support/program-scenario";

const on = (node: string, args: Declared["args"] = {}): Declared[] => [
  { name: "data", kind: "disk", args: { size: "4GiB", pin: { cluster: "a", node }, ...args } },
];

let scenario: ProgramScenario;
beforeEach(() => {
  scenario = new ProgramScenario();
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => scenario.world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => scenario.world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

const owners = () => [...scenario.a.guests.values()].filter(({ config }) => parseDescription(config.description).mark?.kind === "disk");
const volid = () => scenario.outputs("data").volid as string;

/** What is wrong when the disk is on that node, with what was written to it. */
function flaws(node: string): string[] {
  const [owner, ...others] = owners();
  const found = scenario.litter();
  const say = (ok: boolean, flaw: string) => {
    if (!ok) found.push(flaw);
  };
  say(others.length === 0 && owner?.node === node, `owners on ${owners().map((each) => each.node)}`);
  say(owner?.config.template === "1" && owner.config.protection === "1", "the owner is not fenced and protected");
  say(owner?.config.lock === undefined, `the owner is locked (${owner?.config.lock})`);
  say(owner?.config.scsi0?.split(",")[0] === volid(), `the owner holds ${owner?.config.scsi0}`);
  say(scenario.a.volumes.get(volid())?.writes.includes("precious") === true, "data was lost");
  return found;
}

async function begin({ shared = false } = {}): Promise<void> {
  scenario.a.storages.fast!.shared = shared;
  await scenario.up(on("a1"));
  scenario.a.volumes.get(volid())!.writes.push("precious");
}

describe("a disk that nobody uses", () => {
  beforeEach(() => begin());

  it("goes to the node that is declared, as the preview says, and then there is nothing to do", async () => {
    const planned = await scenario.preview(on("a2"));
    expect(planned.data).toMatchObject({ step: "update", inputs: { migration: { from: "a/a1", to: "a/a2", transfer: "up to 4GiB" } } });
    expect(await scenario.up(on("a2"))).toEqual({ data: "update" });
    expect(flaws("a2")).toEqual([]);
    expect(scenario.outputs("data").placement).toMatchObject({ node: "a2" });
    expect((await scenario.preview(on("a2"))).data?.step).toBe("same");
    expect(await scenario.refresh()).toEqual({});
    expect((await scenario.preview(on("a2"))).data?.step).toBe("same");
  });

  it("stays on a storage that all nodes share, and only its owner goes", async () => {
    scenario = new ProgramScenario();
    await begin({ shared: true });
    const planned = await scenario.preview(on("a2"));
    expect(planned.data).toMatchObject({ step: "update", inputs: { migration: { to: "a/a2", transfer: "nothing" } } });
    await scenario.up(on("a2"));
    expect(flaws("a2")).toEqual([]);
  });

  it("goes to its node and grows in one update", async () => {
    expect(await scenario.up(on("a2", { size: "6GiB" }))).toEqual({ data: "update" });
    expect(flaws("a2")).toEqual([]);
    expect(scenario.outputs("data").sizeBytes).toBe(6 * 1024 ** 3);
  });

  it("is refused in the preview while somebody else's guest has it", async () => {
    scenario.a.addGuest({ vmid: 900, node: "a1", config: { name: "other", scsi3: `${volid()},size=4G` } });
    await expect(scenario.preview(on("a2"))).rejects.toThrow(
      /must leave a\/a1 for a2, but vm 900 on a has it attached as scsi3: detach it there/,
    );
    expect(flaws("a1")).toEqual([]);
  });

  it("is refused in the preview without the right to send it", async () => {
    const permissions = structuredClone(await scenario.a.getPermissions());
    for (const privileges of Object.values(permissions)) delete privileges["VM.Migrate"];
    vi.spyOn(scenario.a, "getPermissions").mockResolvedValue(permissions);
    await expect(scenario.preview(on("a2"))).rejects.toThrow(/the token of a lacks VM\.Migrate on \/vms\/\d+ or \/pool\/prod/);
  });

  it("is refused in the preview when it is to grow beyond what its storage has", async () => {
    await expect(scenario.preview(on("a1", { size: "900TiB" }))).rejects.toThrow(
      /cannot grow: storage fast of a\/a1 has .* available, .* needed\. Free space there, or declare less/,
    );
    await expect(scenario.preview(on("a1", { size: "5GiB" }))).resolves.toMatchObject({ data: { step: "update" } });
  });
});

it.each(["kill", "kill-after", "lose-reply", "refuse", "fail-task"] as Fault[])(
  "a disk whose node is changed, disturbed by %s at any call and run again, is there with its data",
  async (fault) => {
    const prepare = async () => {
      scenario = new ProgramScenario();
      await begin();
      return scenario.world;
    };
    expect(
      await sweepCalls(
        fault,
        prepare,
        () => scenario.up(on("a2")),
        () => flaws("a2"),
      ),
    ).toEqual([]);
  },
);
