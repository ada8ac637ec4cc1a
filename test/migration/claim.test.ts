import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { claimGuest, formatDescription, type Mark, parseDescription, sameIdentity } from "../../src/migration";
import { systemClock } from "../../src/proxmox";
import { FakeCluster } from "../support/fake-cluster";
import { type CallRecord, FakeWorld, type Fault } from "../support/fake-world";

const MARK: Mark = { federation: "fed", stack: "shop/prod", kind: "vm", name: "web", generation: 1, phase: "claimed" };

let world: FakeWorld;
let api: FakeCluster;
beforeEach(() => {
  world = new FakeWorld();
  api = new FakeCluster("b", world, { nodes: ["b1", "b2"], storages: { fast: {} } });
  api.proxmoxPools.set("prod", { comment: "" });
  vi.spyOn(systemClock, "nowMs").mockImplementation(() => world.nowMs);
  vi.spyOn(systemClock, "sleep").mockImplementation((ms) => world.pace.sleep(ms));
});
afterEach(() => vi.restoreAllMocks());

const claim = (changes: Partial<Parameters<typeof claimGuest>[0]> = {}) =>
  claimGuest(
    {
      api,
      node: "b1",
      params: { name: "web", memory: 16, pool: "prod", description: formatDescription("", MARK) },
      isOurs: ({ values }) => {
        const { mark } = parseDescription(values.description);
        return mark !== undefined && sameIdentity(mark, MARK);
      },
      ...changes,
    },
    world.pace,
  );

/** The fault at the first call of that name that holds. */
function fail(name: string, fault: Fault, nth = 1): void {
  let seen = 0;
  world.fault = (call: CallRecord) => (call.name === name && ++seen === nth ? fault : undefined);
}

const stranger = (vmid: number) => api.addGuest({ vmid, node: "b2", config: { name: "other" } });

describe("claiming a vmid", () => {
  it("names what a create whose worker was killed has left, with the command that removes it", async () => {
    fail("qemu.create", "kill-task");
    // The fake's worker cleans up however it ends.
    vi.spyOn(api.guests, "delete").mockReturnValueOnce(false);
    await expect(claim()).rejects.toThrow(/vm 100 on b\/b1 is what a killed create.*"qm unlock 100 && qm destroy 100" on node b1/s);
    expect(api.guests.get(100)?.config.lock).toBe("create");
    expect((await claim()).vmid).toBe(101);
  });

  it("says no more than the failure where the create has cleaned up", async () => {
    fail("qemu.create", "fail-task");
    await expect(claim()).rejects.toThrow(/^(?!.*qm unlock).*failed/s);
    expect(api.guests.has(100)).toBe(false);
  });

  it("makes a marked guest in the pool", async () => {
    expect(await claim()).toEqual({ api, node: "b1", vmid: 100 });
    expect(api.guests.get(100)).toMatchObject({ node: "b1", pool: "prod", power: "stopped", config: { memory: "16" } });
  });

  it.each<[string, number[], Partial<Parameters<typeof claimGuest>[0]>, number]>([
    ["the preferred one", [], { preferredVmid: 777 }, 777],
    ["the next free one where the preferred is taken", [777], { preferredVmid: 777 }, 100],
    ["the first free one of the range", [5000, 5001], { vmidRange: { first: 5000, last: 5003 } }, 5002],
    ["the preferred one before the range", [], { preferredVmid: 777, vmidRange: { first: 5000, last: 5003 } }, 777],
    ["the last one of the range", [5000], { vmidRange: { first: 5000, last: 5001 } }, 5001],
  ])("takes %s", async (_which, taken, spec, vmid) => {
    for (const each of taken) stranger(each);
    expect((await claim(spec)).vmid).toBe(vmid);
  });

  it("passes over vmids of guests that it cannot see, in and out of a range", async () => {
    for (const vmid of [5000, 777]) {
      stranger(vmid);
      api.hidden.add(vmid);
    }
    expect((await claim({ vmidRange: { first: 5000, last: 5003 } })).vmid).toBe(5001);
    expect((await claim({ preferredVmid: 777 })).vmid).toBe(100);
  });

  it("refuses a full range and says what to do", async () => {
    for (const vmid of [5000, 5001]) stranger(vmid);
    await expect(claim({ vmidRange: { first: 5000, last: 5001 } })).rejects.toThrow(
      /no free vmid from 5000 to 5001: widen clusters\[\].vmid_range/,
    );
  });

  it("tries again when somebody is faster", async () => {
    let races = 0;
    world.fault = (call) => {
      if (call.name === "qemu.create" && races < 3) stranger(100 + races++);
      return undefined;
    };
    expect((await claim()).vmid).toBe(103);
  });

  it("finds what an interrupted run has made, also while it is being made", async () => {
    fail("qemu.create", "kill-after");
    await expect(claim({ preferredVmid: 777 })).rejects.toThrow("killed");
    world.fault = () => undefined;
    world.revive(0);
    expect((await claim({ preferredVmid: 777 })).vmid).toBe(777);
    expect(api.guests.size).toBe(1);
  });

  it.each([1, 2])("makes one guest when the answer is lost (%s times)", async (times) => {
    let lost = 0;
    world.fault = (call) => (call.name === "qemu.create" && lost++ < times ? "lose-reply" : undefined);
    expect((await claim()).vmid).toBe(100);
    expect(api.guests.size).toBe(1);
  });

  it("makes one guest when the answer is lost and the token sees only its pool", async () => {
    api.onlyPool = "prod";
    fail("qemu.create", "lose-reply");
    const { vmid } = await claim();
    expect([...api.guests.keys()]).toEqual([vmid]);
  });

  it("gives up on a refusal without a guest left", async () => {
    fail("qemu.create", "refuse");
    await expect(claim()).rejects.toThrow("refused by the test");
    expect(api.guests.size).toBe(0);
  });

  it("gives up on a failed create without a guest left", async () => {
    fail("qemu.create", "fail-task");
    await expect(claim()).rejects.toThrow("failed by the test");
    expect(api.guests.size).toBe(0);
  });

  it("never takes more than fifty looks at a cluster that fills up as fast", async () => {
    world.fault = (call) => {
      if (call.name === "qemu.create" && call.vmid !== undefined && !api.guests.has(call.vmid)) stranger(call.vmid);
      return undefined;
    };
    await expect(claim()).rejects.toThrow(/No free vmid on cluster b: 50 were taken/);
  });
});
